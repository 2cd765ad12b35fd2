"""The load: python -m bench.load TARGET FIGURE ARGUMENT...; prints one JSON object of what it measured."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc, job_pb2, job_service_pb2, job_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

_MESSAGE_BYTES = 64 * 1024 * 1024
_CONCURRENT_BATCHES = 2
_BATCH = 1000
_STREAM_CHUNK = 100


def spec(queue: str, kind: str) -> job_pb2.JobSpec:
    """Return a small job."""
    return job_pb2.JobSpec(
        queue=queue, kind=kind, payload_bytes=b'{"sent":%d}' % time.time_ns(), content_type="application/json"
    )


async def unary(stub: Any, in_flight: str, seconds: str) -> dict[str, Any]:
    """EnqueueJob with so many calls in flight."""
    end = time.perf_counter() + float(seconds)
    latencies: list[float] = []

    async def call_until_end() -> None:
        while (began := time.perf_counter()) < end:
            await stub.EnqueueJob(job_service_pb2.EnqueueJobRequest(job=spec("idle", "none")))
            latencies.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(int(in_flight)):
            group.create_task(call_until_end())
    return {"per_second": len(latencies) / float(seconds), **percentiles(latencies)}


async def info(stub: Any, in_flight: str, seconds: str) -> dict[str, Any]:
    """GetServerInfo, which asks no database, with so many calls in flight."""
    end = time.perf_counter() + float(seconds)
    calls = 0

    async def call_until_end() -> None:
        nonlocal calls
        while time.perf_counter() < end:
            await stub.GetServerInfo(admin_service_pb2.GetServerInfoRequest())
            calls += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(int(in_flight)):
            group.create_task(call_until_end())
    return {"per_second": calls / float(seconds)}


async def batch(stub: Any, count: str, queue: str, kind: str) -> dict[str, Any]:
    """BatchEnqueueJobs of 1000, two at a time."""
    turns = asyncio.Semaphore(_CONCURRENT_BATCHES)

    async def call() -> None:
        async with turns:
            jobs = [spec(queue, kind) for _ in range(_BATCH)]
            await stub.BatchEnqueueJobs(job_service_pb2.BatchEnqueueJobsRequest(jobs=jobs))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(int(count) // _BATCH):
            group.create_task(call())
    return {"per_second": int(count) / (time.perf_counter() - began)}


async def stream(stub: Any, count: str) -> dict[str, Any]:
    """StreamEnqueueJobs in messages of 100."""

    async def messages() -> AsyncIterator[job_service_pb2.StreamEnqueueJobsRequest]:
        for first in range(0, int(count), _STREAM_CHUNK):
            items = [
                job_service_pb2.StreamEnqueueItem(sequence=first + number, job=spec("idle", "none"))
                for number in range(_STREAM_CHUNK)
            ]
            yield job_service_pb2.StreamEnqueueJobsRequest(items=items)

    began = time.perf_counter()
    added = 0
    async for response in stub.StreamEnqueueJobs(messages()):
        added += sum(1 for result in response.results if result.HasField("result"))
    if added != int(count):
        raise RuntimeError(f"{added} of {count} jobs were added")
    return {"per_second": added / (time.perf_counter() - began)}


async def paced(stub: Any, count: str, per_second: str) -> dict[str, Any]:
    """EnqueueJob of jobs that say when their handlers began, one at a time at a steady pace."""
    began = time.perf_counter()
    for number in range(int(count)):
        await asyncio.sleep(max(0.0, began + number / float(per_second) - time.perf_counter()))
        await stub.EnqueueJob(job_service_pb2.EnqueueJobRequest(job=spec("latency", "stamp")))
    return {"per_second": int(count) / (time.perf_counter() - began)}


async def steady(stub: Any, count: str, per_second: str) -> dict[str, Any]:
    """EnqueueJob of jobs that do nothing at a steady pace, however long each call takes."""

    async def call() -> None:
        await stub.EnqueueJob(job_service_pb2.EnqueueJobRequest(job=spec("steady", "noop")))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(count)):
            await asyncio.sleep(max(0.0, began + number / float(per_second) - time.perf_counter()))
            group.create_task(call())
    return {"per_second": int(count) / (time.perf_counter() - began)}


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {"p50_ms": 1e3 * ordered[len(ordered) // 2], "p99_ms": 1e3 * ordered[int(len(ordered) * 0.99)]}


FIGURES: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "unary": unary,
    "info": info,
    "batch": batch,
    "stream": stream,
    "paced": paced,
    "steady": steady,
}


async def main(target: str, figure: str, *arguments: str) -> None:
    """Measure a figure."""
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        service = admin_service_pb2_grpc.AdminServiceStub if figure == "info" else job_service_pb2_grpc.JobServiceStub
        stub: Any = service(channel)
        sys.stdout.write(json.dumps(await FIGURES[figure](stub, *arguments)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
