"""A cancelled job stays with the thread that is at it, so that nothing runs it beside that."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gosynq_client.worker import Handlers, Job, WorkerRuntime
from gosynq_server.domain.errors import JobProcessing
from gosynq_server.domain.job import JobId, JobStatus
from tests.service.house import HOUR, SECOND, House


async def test_a_cancelled_job_cannot_be_retried_while_its_thread_goes_on(house: House) -> None:
    handlers, started, told = Handlers(), threading.Event(), threading.Event()

    @handlers.register("k")
    def work(job: Job) -> None:
        started.set()
        told.wait(10)

    def cancel(job: JobId, reason: str, **_: object) -> None:
        runtime.cancel(job, reason)

    source = house.source(on_cancel=cancel)
    runtime = WorkerRuntime(source, handlers)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.run())
        job_id = await house.add(lease_duration=SECOND)
        await asyncio.to_thread(started.wait, 10)
        await house.jobs.cancel(job_id, reason="enough", force=False)
        while "leases_extend" not in house.database.names and await house.stage(job_id) == "running":
            pass
        with pytest.raises(JobProcessing):
            await house.jobs.retry(job_id, run_at=None)
        told.set()
        job = await house.jobs.wait(job_id, HOUR)
        runtime.stop()

    assert job.status is JobStatus.CANCELLED
