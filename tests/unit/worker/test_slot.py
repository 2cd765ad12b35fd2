"""Running attempts: what handlers do, and what is made of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_client.worker import AttemptEnded, Handlers, Job, RuntimeOptions, Snooze, WorkerRuntime
from gosynq_client.worker.ledger import Ledger
from gosynq_client.worker.outcomes import Cancelled, Failed, Released, Snoozed, Succeeded
from gosynq_client.worker.slot import Slot
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, running, turns
from tests.unit.worker.virtual_time import in_virtual_time, now

ONE_AT_A_TIME = RuntimeOptions(concurrency=1)
SHORT_STOP = RuntimeOptions(concurrency=2, grace=timedelta(0), settle_time=timedelta(seconds=2))


def only(function: Callable[[Job], Any], timeout: timedelta | None = None) -> Handlers:
    handlers = Handlers()
    handlers.register("send", timeout=timeout)(function)
    return handlers


async def run_all(source: MemorySource, handlers: Handlers, options: RuntimeOptions | None = None) -> None:
    """Run all due jobs to an outcome."""
    expected = len(source.due)
    async with running(WorkerRuntime(source, handlers, options)):
        await source.until(lambda: len(source.outcomes) == expected)


@in_virtual_time
async def test_what_an_async_handler_returns_is_the_result() -> None:
    async def handler(job: Job) -> dict[str, Any]:
        return {"sent to": job.payload["to"]}

    source = MemorySource([a_lease()])
    await run_all(source, only(handler))
    assert source.outcomes == {"job-0": Succeeded(result=b'{"sent to":"ada"}', content_type="application/json")}


async def test_a_plain_handler_runs_in_a_thread() -> None:
    def handler(job: Job) -> dict[str, Any]:
        return {"on main thread": threading.current_thread() is threading.main_thread()}

    source = MemorySource([a_lease()])
    await run_all(source, only(handler))
    assert source.outcomes == {"job-0": Succeeded(result=b'{"on main thread":false}', content_type="application/json")}


@in_virtual_time
async def test_a_snooze_puts_the_job_off() -> None:
    async def handler(job: Job) -> Snooze:
        return Snooze(timedelta(minutes=5))

    source = MemorySource([a_lease()])
    await run_all(source, only(handler))
    assert source.outcomes == {"job-0": Snoozed(delay=timedelta(minutes=5))}


@pytest.mark.parametrize(
    "error",
    [
        LookupError("gone"),
        StopAsyncIteration("gone"),
        SystemExit("gone"),
        asyncio.CancelledError("gone"),
        BaseExceptionGroup("gone", [SystemExit()]),
    ],
    ids=lambda error: type(error).__name__,
)
@in_virtual_time
async def test_what_an_async_handler_raises_fails_the_attempt_and_nothing_else(error: BaseException) -> None:
    async def handler(job: Job) -> None:
        if job.id == "job-0":
            raise error

    source = MemorySource(leases(2))
    await run_all(source, only(handler), ONE_AT_A_TIME)
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert outcome.error.type == type(error).__name__
    assert outcome.error.message.startswith("gone")
    assert "in handler\n" in outcome.error.stack_trace.splitlines(keepends=True)[1]
    assert source.outcomes["job-1"] == Succeeded()


@pytest.mark.parametrize(
    "error",
    [LookupError("gone"), StopIteration("gone"), SystemExit("gone"), asyncio.CancelledError("gone")],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_plain_handler_raises_fails_the_attempt_and_nothing_else(error: BaseException) -> None:
    def handler(job: Job) -> None:
        if job.id == "job-0":
            raise error

    source = MemorySource(leases(2))
    await run_all(source, only(handler), ONE_AT_A_TIME)
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.message) == (type(error).__name__, "gone")
    assert source.outcomes["job-1"] == Succeeded()


async def test_a_keyboard_interrupt_in_a_thread_ends_the_worker_with_it() -> None:
    def handler(job: Job) -> None:
        raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    runtime = WorkerRuntime(MemorySource([a_lease()]), only(handler))
    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(_run_and_clear, loop, runtime)


def test_a_keyboard_interrupt_in_an_async_handler_ends_the_worker_with_it() -> None:
    async def handler(job: Job) -> None:
        raise KeyboardInterrupt

    runtime = WorkerRuntime(MemorySource([a_lease()]), only(handler))
    with pytest.raises(KeyboardInterrupt):
        _run_and_clear(asyncio.new_event_loop(), runtime)


def _run_and_clear(loop: asyncio.AbstractEventLoop, runtime: WorkerRuntime) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(runtime.run())


@in_virtual_time
async def test_a_payload_that_is_not_its_json_fails_only_itself() -> None:
    async def handler(job: Job) -> None:
        _ = job.payload

    source = MemorySource([a_lease(payload=b"{"), a_lease(job_id="job-1")])
    await run_all(source, only(handler), ONE_AT_A_TIME)
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.non_retryable) == ("InvalidPayload", True)
    assert source.outcomes["job-1"] == Succeeded()


@in_virtual_time
async def test_a_kind_without_a_handler_fails_retryably() -> None:
    source = MemorySource([a_lease(kind="unheard of")])
    await run_all(source, Handlers())
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.non_retryable) == ("UnknownKind", False)


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


async def test_a_thread_that_is_cancelled_is_over_at_once_and_keeps_its_slot(caplog: pytest.LogCaptureFixture) -> None:
    started, release, asked = threading.Event(), threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        if job.id == "job-0":
            started.set()
            release.wait(10)
            asked.set() if job.cancel_requested else None

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler), ONE_AT_A_TIME)
    async with running(runtime):
        await asyncio.to_thread(started.wait, 10)
        source.push(a_lease(job_id="job-1"))
        runtime.cancel("job-0", "")
        await source.until(lambda: source.outcomes)
        assert source.outcomes == {"job-0": Cancelled()}
        assert (runtime.held, runtime.active, len(source.due)) == (0, 1, 1)
        release.set()
        await source.until(lambda: len(source.outcomes) == 2)
    assert asked.is_set()
    assert "thread interrupted, it keeps its slot until it ends" in caplog.messages


async def test_a_thread_that_takes_too_long_times_out_at_once() -> None:
    release = threading.Event()

    def handler(job: Job) -> None:
        release.wait(10)

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(handler, timedelta(milliseconds=10)))):
        await source.until(lambda: source.outcomes)
        release.set()
    outcome = source.outcomes["job-0"]
    assert isinstance(outcome, Failed)
    assert outcome.timed_out


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
async def test_a_context_variable_does_not_reach_the_next_job_in_the_slot() -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")

    async def handler(job: Job) -> dict[str, Any]:
        before = user.get()
        user.set(job.id)
        return {"before": before}

    source = MemorySource(leases(2))
    await run_all(source, only(handler), ONE_AT_A_TIME)
    nobody = Succeeded(result=b'{"before":"nobody"}', content_type="application/json")
    assert source.outcomes == {"job-0": nobody, "job-1": nobody}


@in_virtual_time
async def test_as_many_handlers_are_at_work_as_there_are_slots() -> None:
    at_work: list[str] = []
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        at_work.append(job.id)
        await gate.wait()

    source = MemorySource(leases(5))
    runtime = WorkerRuntime(source, only(handler), RuntimeOptions(concurrency=3))
    async with running(runtime):
        await source.until(lambda: source.asked)
        await turns(20)
        assert (len(at_work), runtime.active, runtime.held, len(source.due)) == (3, 3, 3, 2)
        gate.set()
        await source.until(lambda: len(source.outcomes) == 5)
        assert (runtime.active, runtime.held) == (0, 0)


@in_virtual_time
async def test_handlers_that_never_wait_leave_the_event_loop_its_turns() -> None:
    turned: list[str] = []

    async def handler(job: Job) -> None:
        if job.id == "job-0":
            asyncio.get_running_loop().call_soon(turned.append, "turn")
        end = datetime.now(UTC) + timedelta(milliseconds=3)
        while datetime.now(UTC) < end:
            pass
        turned.append(job.id)

    ledger = Ledger()
    ledger.hold(leases(2))
    with ThreadPoolExecutor(1) as threads:
        slot = asyncio.create_task(Slot(ledger, only(handler), threads, lambda report: None).run())
        while ledger.ended < 2:
            await ledger.changed.wait()
            ledger.changed.clear()
        ledger.closed = True
        slot.cancel()
    assert turned == ["job-0", "turn", "job-1"]


@in_virtual_time
async def test_every_attempt_that_was_started_is_observed_once() -> None:
    seen: list[AttemptEnded] = []

    async def handler(job: Job) -> None:
        await asyncio.sleep(0)

    source = MemorySource([a_lease()])
    before = datetime.now(UTC)
    async with running(WorkerRuntime(source, only(handler), observe=seen.append)):
        await source.until(lambda: source.outcomes)
    [ended] = seen
    assert (ended.lease, ended.outcome) == (a_lease(), Succeeded())
    assert before <= ended.started_at <= ended.started_at + ended.duration <= datetime.now(UTC)
    # The lease was given two seconds after it was due.
    assert timedelta(seconds=2) <= ended.waited < timedelta(seconds=3)


@in_virtual_time
async def test_what_observe_raises_ends_the_worker_loudly() -> None:
    async def handler(job: Job) -> None: ...

    def observe(ended: AttemptEnded) -> None:
        raise LookupError("no such label")

    with pytest.raises(ExceptionGroup) as caught:
        await WorkerRuntime(MemorySource([a_lease()]), only(handler), observe=observe).run()
    assert caught.group_contains(LookupError, match="no such label")


@in_virtual_time
async def test_no_payload_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def handler(job: Job) -> None:
        await asyncio.sleep(100)

    source = MemorySource([a_lease(payload=b'"secret"')])
    source.lost.add("job-0")
    runtime = WorkerRuntime(source, only(handler), SHORT_STOP)
    async with running(runtime):
        await source.until(lambda: source.extended)
        await turns()
    assert caplog.messages == ["lease lost, attempt dropped"]
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)
    assert Released() not in source.outcomes.values()
