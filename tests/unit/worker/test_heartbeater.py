"""Keeping leases alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gosynq_client.worker import Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.heartbeater import MAX_WAIT_SECONDS, Heartbeater
from gosynq_client.worker.leases import Extension, Lease, Result
from gosynq_client.worker.ledger import Ledger
from gosynq_client.worker.outcomes import Cancelled, Released, Succeeded
from tests.unit.worker.clock import install
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, only, running, turns
from tests.unit.worker.virtual_time import in_virtual_time, now

SHORT_STOP = RuntimeOptions(concurrency=2, grace=timedelta(0), settle_time=timedelta(seconds=2))


async def hang(job: Job) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("lost", [False, True])
@in_virtual_time
async def test_an_extension_counts_from_before_it_was_asked_for(lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = install(monkeypatch)

    class Slow(MemorySource):
        async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
            clock.now += 7
            return await super().extend(leases)

    source, ledger = Slow(), Ledger()
    heartbeater = Heartbeater(source, ledger)
    ledger.hold([a_lease()], granted_at=990)
    if lost:
        source.lost.add("job-0")
    attempt = ledger.held["job-0"]
    heartbeater.expect([a_lease()])
    beating = asyncio.create_task(heartbeater.run())
    await source.until(lambda: source.extended)
    await turns()
    beating.cancel()
    assert attempt.holds_until == (1020 if lost else 1030)


@pytest.mark.parametrize(("duration", "interval"), [(3, 1), (30, 10), (300, 10)])
@in_virtual_time
async def test_leases_are_extended_three_times_in_their_duration_but_at_least_every_ten_seconds(
    duration: int, interval: int
) -> None:
    source = MemorySource([a_lease(lease_duration=timedelta(seconds=duration))])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await source.until(lambda: len(source.extended) == 3)
    assert source.extended == [(interval * beat, ["job-0"]) for beat in (1, 2, 3)]


@in_virtual_time
async def test_all_leases_are_extended_in_one_call_in_time_for_the_shortest() -> None:
    source = MemorySource([a_lease(), a_lease(job_id="job-1", lease_duration=timedelta(seconds=6))])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await source.until(lambda: source.extended)
    assert source.extended == [(2, ["job-0", "job-1"])]


@in_virtual_time
async def test_a_short_lease_that_comes_later_is_not_late() -> None:
    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await asyncio.sleep(4.5)
        source.push(a_lease(job_id="job-1", lease_duration=timedelta(seconds=3)))
        await source.until(lambda: source.extended)
    assert source.extended == [(5.5, ["job-0", "job-1"])]


@in_virtual_time
async def test_a_short_lease_that_comes_during_an_extension_follows_at_once() -> None:
    class Slow(MemorySource):
        async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
            answer = await super().extend(leases)
            await asyncio.sleep(3)
            return answer

    source = Slow([a_lease()])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await asyncio.sleep(10.5)
        source.push(a_lease(job_id="job-1", lease_duration=timedelta(seconds=3)))
        await source.until(lambda: len(source.extended) == 2)
    assert source.extended == [(10, ["job-0"]), (13, ["job-0", "job-1"])]


@in_virtual_time
async def test_nothing_is_extended_while_nothing_is_held() -> None:
    async def brief(job: Job) -> None: ...

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(brief), SHORT_STOP)):
        await asyncio.sleep(60)
    assert source.extended == []


@in_virtual_time
async def test_leases_in_the_buffer_and_with_unsettled_results_are_extended_too() -> None:
    source, ledger = MemorySource(), Ledger()
    heartbeater = Heartbeater(source, ledger)
    ledger.hold([*leases(2), a_lease(job_id="ended"), a_lease(job_id="ended since")])
    ledger.end(ledger.held["ended"], Succeeded())
    ledger.offer()
    ledger.end(ledger.held["ended since"], Succeeded())
    heartbeater.expect(leases(2))
    beating = asyncio.create_task(heartbeater.run())
    await source.until(lambda: source.extended)
    beating.cancel()
    assert source.extended == [(10, ["job-0", "job-1", "ended", "ended since"])]


@in_virtual_time
async def test_a_lost_lease_ends_its_attempt_and_drops_what_comes_of_it(caplog: pytest.LogCaptureFixture) -> None:
    stopped = asyncio.Event()

    async def finish_anyway(job: Job) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()

    source = MemorySource([a_lease()])
    source.lost.add("job-0")
    runtime = WorkerRuntime(source, only(finish_anyway), SHORT_STOP)
    async with running(runtime):
        await stopped.wait()
        await turns(20)
        assert (runtime.held, runtime.active) == (0, 0)
    assert [result for asked in source.asked for result in asked.results] == []
    assert caplog.messages == ["lease lost, attempt dropped"]


@in_virtual_time
async def test_a_cancel_that_an_extension_tells_of_reaches_the_handler() -> None:
    source = MemorySource([a_lease()])
    source.cancels["job-0"] = "no longer needed"
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": Cancelled(message="no longer needed")}


@in_virtual_time
async def test_an_unanswered_extension_is_repeated_sooner() -> None:
    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await source.until(lambda: source.asked)
        await turns()
        source.up = False
        await source.until(lambda: len(source.extended) == 2)
        source.up = True
        await source.until(lambda: len(source.extended) == 4)
    assert [at for at, _ in source.extended] == [10, 12.5, 15, 25]


@in_virtual_time
async def test_an_extension_that_tells_of_an_ended_attempt_changes_nothing() -> None:
    class Late(MemorySource):
        async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
            answer = await super().extend(leases)
            await asyncio.sleep(3)
            return answer

    async def brief(job: Job) -> None:
        await asyncio.sleep(12)

    source = Late([a_lease()])
    source.cancels["job-0"] = "too late"
    async with running(WorkerRuntime(source, only(brief), SHORT_STOP)):
        await asyncio.sleep(20)
    assert source.outcomes == {"job-0": Succeeded()}


@in_virtual_time
async def test_an_extension_that_tells_of_an_older_lease_changes_nothing() -> None:
    source, ledger = MemorySource(), Ledger()
    heartbeater = Heartbeater(source, ledger)
    ledger.hold([a_lease()])
    heartbeater.expect([a_lease()])
    beating = asyncio.create_task(heartbeater.run())
    source.lost.add("job-0")
    source.open.clear()
    await source.until(lambda: source.extended)
    ledger.hold([a_lease(lease_seq=2)])
    source.open.set()
    await turns()
    beating.cancel()
    assert [lease.lease_seq for lease in ledger.leases()] == [2]


@in_virtual_time
async def test_what_waited_long_for_a_slot_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    source, ledger = MemorySource(), Ledger()
    heartbeater = Heartbeater(source, ledger)
    ledger.hold([a_lease()])
    later = time.monotonic() + MAX_WAIT_SECONDS + 1
    monkeypatch.setattr("gosynq_client.worker.heartbeater.monotonic", lambda: later)
    heartbeater.expect([a_lease()])
    beating = asyncio.create_task(heartbeater.run())
    await source.until(lambda: source.extended)
    beating.cancel()
    assert ledger.offer() == (Result(lease=a_lease(), outcome=Released()),)


@in_virtual_time
async def test_a_held_up_event_loop_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def stall(job: Job) -> None:
        loop = asyncio.get_running_loop()
        loop._jump(25)  # type: ignore[attr-defined]  # noqa: SLF001 -- passes time without a turn of the loop
        await asyncio.Event().wait()

    source = MemorySource([a_lease()])
    async with running(WorkerRuntime(source, only(stall), SHORT_STOP)):
        await source.until(lambda: source.extended)
    assert "event loop was held up, leases are at risk" in caplog.messages
    assert now() > 0


@in_virtual_time
async def test_an_extension_that_stays_unanswered_for_long_holds_up_no_event_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Away(MemorySource):
        async def extend(self, leases: Sequence[Lease]) -> Sequence[Extension]:
            await asyncio.sleep(5)
            return await super().extend(leases)

    source = Away([a_lease()])
    async with running(WorkerRuntime(source, only(hang), SHORT_STOP)):
        await source.until(lambda: source.asked)
        await turns()
        source.up = False
        await source.until(lambda: len(source.extended) == 3)
        source.up = True
    assert "leases not extended, source unavailable" in caplog.messages
    assert "event loop was held up, leases are at risk" not in caplog.messages
