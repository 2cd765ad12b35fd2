"""Enqueue one job and wait for what it returns."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from gosynq_client import Client, GosynqError, JobNotDone, JobStatus, Priority


async def main(target: str) -> None:
    """Run one job and print its result; end with an error unless it completed."""
    async with Client(target) as client:
        try:
            enqueued = await client.enqueue("word_count", {"text": "to be or not to be"}, priority=Priority.HIGH)
            job = await client.wait(enqueued.id, timeout=timedelta(seconds=30))
        except JobNotDone as error:
            sys.exit(f"{error}: does a worker take {error.job.kind}?")
        except GosynqError as error:
            sys.exit(f"{error.reason or error.code}: {error}")
    if job.status is not JobStatus.COMPLETED:
        sys.exit(f"{job.status}: {job.last_error}")
    print(job.id, job.status, job.result)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else os.environ.get("GOSYNQ_TARGET", "localhost:50051")))
