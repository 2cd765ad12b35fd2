"""Sending progress."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest

from gosynq_client.worker import Handlers, Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.leases import ProgressReport
from gosynq_client.worker.reporter import Reporter
from tests.unit.worker.memory_source import A_LEASE, MemorySource, a_lease, leases, running
from tests.unit.worker.virtual_time import in_virtual_time


@in_virtual_time
async def test_of_each_job_the_last_word_is_sent_and_all_in_one_call() -> None:
    handlers = Handlers()
    gate = asyncio.Event()

    @handlers.register("send")
    async def handler(job: Job) -> None:
        for current in range(1, 4):
            job.progress_sync(current, 3, job.id)
        await gate.wait()

    source = MemorySource(leases(2))
    async with running(WorkerRuntime(source, handlers, RuntimeOptions())):
        await source.until(lambda: source.reports)
        gate.set()
    assert source.reports == [
        [ProgressReport(lease=lease, current=3, total=3, message=lease.job_id) for lease in leases(2)]
    ]


@in_virtual_time
async def test_reports_are_sent_at_most_ten_times_a_second() -> None:
    handlers = Handlers()

    @handlers.register("send")
    async def handler(job: Job) -> None:
        for current in range(100):
            await job.progress(current)
            await asyncio.sleep(0.01)

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, handlers)):
        await source.until(lambda: source.outcomes)
    assert 8 <= len(source.reports) <= 11


async def test_progress_from_a_thread_arrives() -> None:
    handlers = Handlers()

    @handlers.register("send")
    def handler(job: Job) -> None:
        job.progress_sync(1, 2)

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, handlers)):
        await source.until(lambda: source.reports)
    assert source.reports == [[ProgressReport(lease=A_LEASE, current=1, total=2, message="")]]


@in_virtual_time
async def test_progress_is_dropped_while_the_source_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = MemorySource()
    source.up = False
    reporter = Reporter(source)
    sending = asyncio.create_task(reporter.run())
    await asyncio.sleep(0)
    for current in (1, 2):
        reporter.report(ProgressReport(lease=A_LEASE, current=current, total=0, message=""))
        await source.until(partial(_as_many, source, current))
    sending.cancel()
    assert [[report.current for report in reports] for reports in source.reports] == [[1], [2]]
    assert "progress dropped, source unavailable" in caplog.messages


def test_progress_from_a_thread_that_outlives_the_worker_is_dropped() -> None:
    source = MemorySource()
    reporter = Reporter(source)
    with asyncio.Runner() as runner:
        runner.run(_run_a_moment(reporter))
    reporter.report(ProgressReport(lease=A_LEASE, current=1, total=0, message=""))
    assert source.reports == []


def _as_many(source: MemorySource, count: int) -> bool:
    return len(source.reports) == count


async def _run_a_moment(reporter: Reporter) -> None:
    task = asyncio.create_task(reporter.run())
    await asyncio.sleep(0)
    task.cancel()
