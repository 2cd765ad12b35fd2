"""Workers: python -m bench.workers TARGET QUEUE STREAMS JOBS; prints one JSON object of what they did together.

They speak the Work stream by themselves and do nothing for a job, so that the server is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import grpc
import uvloop

from gosynq.v1 import worker_pb2, worker_service_pb2_grpc
from gosynq.v1.worker_service_pb2 import JobResults, WorkerHello, WorkRequest

_IN_FLIGHT = 1000
_SECONDS = 300.0


class Crew:
    """What all workers have done, and when the first and the last of it was acknowledged."""

    def __init__(self, jobs: int) -> None:
        self.left = jobs
        self.first = self.last = 0.0
        self.done = asyncio.Event()

    def acknowledged(self, count: int) -> None:
        """Count results that are committed."""
        self.last = time.perf_counter()
        self.first = self.first or self.last
        self.left -= count
        if self.left <= 0:
            self.done.set()


async def work(call: Any, worker_id: str, queue: str, crew: Crew) -> None:
    """Say of every job that it is done."""
    queues = [worker_pb2.QueueSubscription(queue=queue)]
    hello = WorkerHello(worker_id=worker_id, queues=queues, max_in_flight=_IN_FLIGHT)
    await call.write(WorkRequest(hello=hello))
    while (response := await call.read()) is not grpc.aio.EOF:
        if response.HasField("leases"):
            results = [_success(lease) for lease in response.leases.leases]
            await call.write(WorkRequest(results=JobResults(results=results)))
        elif response.HasField("result_acks"):
            crew.acknowledged(len(response.result_acks.acks))


def _success(lease: worker_pb2.Lease) -> worker_pb2.JobResult:
    ref = worker_pb2.LeaseRef(job_id=lease.job.id, lease_token=lease.lease_token)
    return worker_pb2.JobResult(lease=ref, success=worker_pb2.JobSuccess())


async def main(target: str, queue: str, streams: str, jobs: str) -> None:
    """Work until so many jobs are done."""
    crew = Crew(int(jobs))
    async with (
        grpc.aio.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)]) as channel,
        asyncio.timeout(_SECONDS),
        asyncio.TaskGroup() as group,
    ):
        stub = worker_service_pb2_grpc.WorkerServiceStub(channel)
        working = [group.create_task(work(stub.Work(), f"bench-{n}", queue, crew)) for n in range(int(streams))]
        await crew.done.wait()
        for task in working:
            task.cancel()
    sys.stdout.write(json.dumps({"per_second": int(jobs) / (crew.last - crew.first)}))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
