"""Drive a server through the demonstration, as any client would."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_client import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gosynq_client import Client, Job
    from gosynq_server.demo.plan import PlannedJob

_BATCH = 100
_PAGE = 1000
_LOOK_EVERY = 0.2
_ALONE = 20


async def enqueue_all(client: Client, planned: Sequence[PlannedJob]) -> dict[str, PlannedJob]:
    """Enqueue the jobs in batches, cancel those that are to end so, and return them by their ids."""
    enqueued: dict[str, PlannedJob] = {}
    for start in range(0, len(planned), _BATCH):
        batch = planned[start : start + _BATCH]
        results = await client.enqueue_many([job.request for job in batch])
        enqueued |= {result.id: job for result, job in zip(results, batch, strict=True)}
    for job_id, job in enqueued.items():
        if job.end is JobStatus.CANCELLED:
            await client.cancel(job_id, reason="the demonstration shows a cancel")
    return enqueued


async def watch_all(
    client: Client, run: str, *, patience: timedelta, show: Callable[[Sequence[Job]], None]
) -> list[Job]:
    """Show the jobs of a run again and again until all are over, or for as long as patience; return the last look."""
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        jobs = [job async for job in client.list(filter=f'labels.demo = "{run}"', page_size=_PAGE)]
        show(jobs)
        if all(job.done for job in jobs) or time.monotonic() > deadline:
            return jobs
        await asyncio.sleep(_LOOK_EVERY)


async def run_alone(client: Client, file: str) -> list[timedelta]:
    """Run jobs one at a time, with nothing else to do, and return how long each took from the call to its end."""
    times = []
    for _ in range(_ALONE):
        began = time.perf_counter()
        enqueued = await client.enqueue("file_checksum", {"path": file}, queue="files")
        await client.wait(enqueued.id, timedelta(seconds=30))
        times.append(timedelta(seconds=time.perf_counter() - began))
    return times
