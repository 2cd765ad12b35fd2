"""Running attempts: what handlers do, and what is made of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_client.worker import AttemptEnded, Handlers, Job, RuntimeOptions, Snooze, WorkerRuntime
from gosynq_client.worker.ledger import Ledger
from gosynq_client.worker.outcomes import Failed, Released, Snoozed, Succeeded
from gosynq_client.worker.slot import Slot
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, only, run_all, running, turns
from tests.unit.worker.virtual_time import in_virtual_time

ONE_AT_A_TIME = RuntimeOptions(concurrency=1)
SHORT_STOP = RuntimeOptions(concurrency=2, grace=timedelta(0), settle_time=timedelta(seconds=2))


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
        KeyboardInterrupt("gone"),
        GeneratorExit("gone"),
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


def test_a_slot_that_is_closed_from_outside_makes_nothing_of_its_attempt() -> None:
    started = asyncio.Event()

    async def handler(job: Job) -> None:
        started.set()
        await asyncio.Event().wait()

    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as threads:
        loop, ledger = runner.get_loop(), Ledger()
        ledger.hold([a_lease()])
        coroutine = Slot(ledger, only(handler), threads, lambda report: None, thread_grace=timedelta(0)).run()
        task = loop.create_task(coroutine)
        loop.run_until_complete(started.wait())
        coroutine.close()
        assert (ledger.unsettled, len(ledger.held)) == (0, 1)
        task.cancel()
        with pytest.raises(RuntimeError, match="already awaited"):
            loop.run_until_complete(task)


@pytest.mark.parametrize(
    "error",
    [
        LookupError("gone"),
        StopIteration("gone"),
        SystemExit("gone"),
        KeyboardInterrupt("gone"),
        GeneratorExit("gone"),
        asyncio.CancelledError("gone"),
    ],
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
        slot = asyncio.create_task(
            Slot(ledger, only(handler), threads, lambda report: None, thread_grace=timedelta(0)).run()
        )
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
