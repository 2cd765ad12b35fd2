"""A worker for the conformance kit: `gosynq conformance -- python -m gosynq_client.examples.conformance_worker`."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta

from gosynq_client.remote import QueueSubscription, RemoteWorker
from gosynq_client.worker import Handlers, Job, JobFailure, Snooze

handlers = Handlers()


@handlers.register("echo")
async def echo(job: Job) -> dict[str, object]:
    """Return the payload."""
    return dict(job.payload)


@handlers.register("sleep")
async def sleep(job: Job) -> None:
    """Sleep; a cancel comes up at the await."""
    await asyncio.sleep(float(job.payload["seconds"]))


@handlers.register("long")
async def run_long(job: Job) -> None:
    """Take long: the runtime keeps the lease alive meanwhile."""
    await asyncio.sleep(float(job.payload["seconds"]))


@handlers.register("fail")
async def fail(job: Job) -> None:
    """Fail as the payload says."""
    raise JobFailure(job.payload["message"], non_retryable=job.payload["non_retryable"])


@handlers.register("snooze")
async def snooze(job: Job) -> Snooze:
    """Put the job off."""
    return Snooze(timedelta(seconds=float(job.payload["seconds"])))


async def main() -> None:
    """Work for the server, on the queue, that the environment names, until told to stop."""
    queue = QueueSubscription(queue=os.environ.get("GOSYNQ_QUEUE", "default"))
    worker = RemoteWorker(os.environ.get("GOSYNQ_TARGET", "localhost:50051"), handlers, [queue])
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, worker.stop)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
