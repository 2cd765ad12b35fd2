"""Breaking attempts off: timeouts, cancels, and handlers that make the best or the worst of them."""

from __future__ import annotations

import asyncio
import os
import threading
from datetime import timedelta
from typing import Any

import pytest

from gosynq_client.worker import Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.outcomes import Cancelled, Failed, Succeeded
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, only, run_all, running, turns
from tests.unit.worker.virtual_time import in_virtual_time, now

ONE_AT_A_TIME = RuntimeOptions(concurrency=1)
SHORT_STOP = RuntimeOptions(concurrency=2, grace=timedelta(0), settle_time=timedelta(seconds=2))


@pytest.mark.parametrize(
    ("of_handler", "of_lease"),
    [(3, None), (None, 3), (3, 5), (5, 3)],
    ids=["handler", "lease", "handler first", "lease first"],
)
@in_virtual_time
async def test_an_attempt_ends_at_the_nearer_time_limit(of_handler: int | None, of_lease: int | None) -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(100)

    source = MemorySource([a_lease(attempt_timeout=timedelta(seconds=of_lease) if of_lease else None)])
    await run_all(source, only(handler, timedelta(seconds=of_handler) if of_handler else None))
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.timed_out, outcome.error.type, outcome.error.message, now()) == (
        True,
        "AttemptTimeout",
        "the attempt took longer than 3 s",
        3,
    )
    assert "asyncio.sleep(100)" in outcome.error.stack_trace


@in_virtual_time
async def test_a_handler_within_its_time_limit_is_left_alone() -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(2)

    source = MemorySource(leases(2))
    await run_all(source, only(handler, timedelta(seconds=3)), ONE_AT_A_TIME)
    assert source.outcomes == {"job-0": Succeeded(), "job-1": Succeeded()}


@in_virtual_time
async def test_a_timeout_of_the_handlers_own_is_a_failure_like_any_other() -> None:
    async def handler(job: Job) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(100)

    source = MemorySource([a_lease()])
    await run_all(source, only(handler, timedelta(seconds=3)))
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.timed_out, outcome.error.type) == (False, "TimeoutError")


@in_virtual_time
async def test_a_cancel_comes_up_in_the_handler_and_is_the_outcome_if_let_through() -> None:
    seen: list[bool] = []

    async def handler(job: Job) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            seen.append(job.cancel_requested)

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler))
    async with running(runtime):
        await source.until(lambda: source.asked)
        await turns()
        runtime.cancel("job-0", "changed my mind")
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled(message="changed my mind")}
    assert seen == [True]


@in_virtual_time
async def test_a_handler_that_finishes_in_spite_of_a_cancel_has_its_result() -> None:
    started = asyncio.Event()

    async def handler(job: Job) -> dict[str, Any]:
        started.set()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return {"sent": True}

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler))
    async with running(runtime):
        await started.wait()
        runtime.cancel("job-0", "")
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Succeeded(result=b'{"sent":true}', content_type="application/json")}


@in_virtual_time
async def test_an_exception_on_the_way_out_of_a_cancel_is_still_a_cancel() -> None:
    started = asyncio.Event()

    async def handler(job: Job) -> None:
        started.set()
        try:
            await asyncio.sleep(100)
        finally:
            raise ConnectionError("the clean-up failed")

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler))
    async with running(runtime):
        await started.wait()
        runtime.cancel("job-0", "")
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled()}


@in_virtual_time
async def test_a_second_cancel_leaves_the_clean_up_of_the_first_alone() -> None:
    started, cleaning, cleaned = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(job: Job) -> None:
        started.set()
        try:
            await asyncio.sleep(100)
        finally:
            cleaning.set()
            await asyncio.sleep(10)
            cleaned.set()

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler))
    async with running(runtime):
        await started.wait()
        runtime.cancel("job-0", "first")
        await cleaning.wait()
        runtime.cancel("job-0", "second")
        await source.until(lambda: source.outcomes)
    assert cleaned.is_set()
    assert source.outcomes == {"job-0": Cancelled(message="first")}


@in_virtual_time
async def test_a_cancel_after_a_time_out_is_a_cancel() -> None:
    timed_out = asyncio.Event()

    async def handler(job: Job) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            timed_out.set()
            await asyncio.sleep(100)

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler, timedelta(seconds=1)))
    async with running(runtime):
        await timed_out.wait()
        runtime.cancel("job-0", "enough")
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled(message="enough")}


@in_virtual_time
async def test_a_cancel_that_comes_as_the_handler_ends_does_not_hit_the_next_job() -> None:
    runtime: WorkerRuntime

    async def handler(job: Job) -> None:
        if job.id == "job-0":
            runtime.cancel("job-0", "by itself, with no await to feel it at")
        await asyncio.sleep(0) if job.id == "job-1" else None

    source = MemorySource(leases(2))
    runtime = WorkerRuntime(source, only(handler), ONE_AT_A_TIME)
    async with running(runtime):
        await source.until(lambda: len(source.outcomes) == 2)
    assert source.outcomes == {"job-0": Succeeded(), "job-1": Succeeded()}


@in_virtual_time
async def test_a_handler_that_cancels_its_own_task_fails_and_its_slot_works_on() -> None:
    async def handler(job: Job) -> None:
        if job.id == "job-0":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

    source = MemorySource(leases(2))
    await run_all(source, only(handler), ONE_AT_A_TIME)
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert outcome.error.type == "CancelledError"
    assert source.outcomes["job-1"] == Succeeded()


@in_virtual_time
async def test_a_cancel_that_a_handler_leaves_behind_does_not_end_its_slot() -> None:
    async def handler(job: Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(1, task.cancel)

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(handler), ONE_AT_A_TIME)):
        await source.until(lambda: source.outcomes)
        await asyncio.sleep(2)
        source.push(a_lease(job_id="job-1"))
        await source.until(lambda: len(source.outcomes) == 2)
    assert source.outcomes == {"job-0": Succeeded(), "job-1": Succeeded()}


class Thread:
    """A plain handler that goes on until it is released, and then does as it is told."""

    def __init__(self, *, looks: bool) -> None:
        self.started, self.released, self.looks = threading.Event(), threading.Event(), looks

    def __call__(self, job: Job) -> dict[str, Any]:
        self.started.set()
        self.released.wait(10)
        if self.looks and job.cancel_requested:
            raise InterruptedError
        return {"done": True}


async def test_a_thread_that_is_cancelled_keeps_its_lease_until_it_stops_by_itself() -> None:
    handler = Thread(looks=True)
    source = MemorySource([a_lease(lease_duration=timedelta(milliseconds=60))])
    runtime = WorkerRuntime(source, only(handler), ONE_AT_A_TIME)
    async with running(runtime):
        await asyncio.to_thread(handler.started.wait, 10)
        runtime.cancel("job-0", "enough")
        extended = len(source.extended)
        await source.until(lambda: len(source.extended) > extended + 1)
        assert (source.outcomes, runtime.held, runtime.active) == ({}, 1, 1)
        handler.released.set()
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled(message="enough")}


async def test_what_a_thread_returns_after_it_was_told_to_stop_is_no_success() -> None:
    handler = Thread(looks=False)
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler), ONE_AT_A_TIME)
    async with running(runtime):
        await asyncio.to_thread(handler.started.wait, 10)
        runtime.cancel("job-0", "")
        await turns()
        handler.released.set()
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled()}


async def test_a_thread_that_goes_on_beyond_its_grace_is_left_behind_and_keeps_its_slot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    handler = Thread(looks=False)
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler), RuntimeOptions(concurrency=1, thread_grace=timedelta(0)))
    async with running(runtime):
        await asyncio.to_thread(handler.started.wait, 10)
        source.push(a_lease(job_id="job-1"))
        runtime.cancel("job-0", "")
        await source.until(lambda: source.outcomes)
        assert source.outcomes == {"job-0": Cancelled()}
        assert (runtime.held, runtime.active, len(source.due)) == (0, 1, 1)
        handler.released.set()
        await source.until(lambda: len(source.outcomes) == 2)
    [warning] = caplog.records
    assert warning.message == "thread goes on though told to stop, job settled without it"
    assert vars(warning)["job_id"] == "job-0"


async def test_a_thread_that_looks_stops_when_its_time_is_up_and_shows_where_it_was() -> None:
    def handler(job: Job) -> None:
        while not job.cancel_requested:
            os.sched_yield()
        raise InterruptedError

    source = MemorySource([a_lease()])
    await run_all(source, only(handler, timedelta(milliseconds=10)))
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.timed_out, outcome.error.type) == (True, "AttemptTimeout")
    assert "raise InterruptedError" in outcome.error.stack_trace


async def test_a_thread_that_ignores_its_time_limit_times_out_after_its_grace() -> None:
    handler = Thread(looks=False)
    source = MemorySource([a_lease()])
    options = RuntimeOptions(thread_grace=timedelta(0))
    async with running(WorkerRuntime(source, only(handler, timedelta(milliseconds=10)), options)):
        await source.until(lambda: source.outcomes)
        handler.released.set()
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert outcome.timed_out


async def test_a_thread_whose_lease_is_lost_is_left_behind_at_once(caplog: pytest.LogCaptureFixture) -> None:
    handler = Thread(looks=False)
    source = MemorySource([a_lease(lease_duration=timedelta(milliseconds=30))])
    source.lost.add("job-0")
    runtime = WorkerRuntime(source, only(handler), ONE_AT_A_TIME)
    async with running(runtime):
        await asyncio.to_thread(handler.started.wait, 10)
        await source.until(lambda: source.extended)
        await turns()
        assert (runtime.held, runtime.active) == (0, 1)
        handler.released.set()
    assert (source.outcomes, caplog.messages) == ({}, ["lease lost, attempt dropped"])


async def test_a_stray_cancel_does_not_end_a_thread_s_attempt() -> None:
    slot: asyncio.Task[Any] | None = None
    started, release = threading.Event(), threading.Event()

    async def remember(job: Job) -> None:
        nonlocal slot
        slot = asyncio.current_task()

    def wait(job: Job) -> None:
        started.set()
        release.wait(10)

    handlers = only(remember)
    handlers.register("wait")(wait)
    source = MemorySource([a_lease(), a_lease(job_id="job-1", kind="wait")])
    async with running(WorkerRuntime(source, handlers, ONE_AT_A_TIME)):
        await asyncio.to_thread(started.wait, 10)
        assert slot is not None
        slot.cancel()
        await turns()
        release.set()
        await source.until(lambda: len(source.outcomes) == 2)
    assert source.outcomes == {"job-0": Succeeded(), "job-1": Succeeded()}


@in_virtual_time
async def test_an_attempt_whose_lease_is_void_is_dropped_and_nothing_is_told_of_it() -> None:
    started = asyncio.Event()

    async def handler(job: Job) -> None:
        started.set()
        await asyncio.sleep(100)

    source = MemorySource(leases(1))
    runtime = WorkerRuntime(source, only(handler))
    async with running(runtime):
        await started.wait()
        runtime.lose("job-0", "another lease's")
        runtime.lose("stranger", "token")
        assert runtime.held == 1
        runtime.lose("job-0", "token")
        assert runtime.held == 0
        await turns()
    assert (source.outcomes, now()) == ({}, 0)
