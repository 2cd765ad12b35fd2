"""Settling results and taking leases."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Sequence
from datetime import timedelta

import pytest

from gosynq_client.worker import Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.leases import Exchange, Refusal, RefusalReason, Result
from gosynq_client.worker.outcomes import AttemptError, Failed, Succeeded
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, only, running, turns
from tests.unit.worker.virtual_time import in_virtual_time, now

OPTIONS = RuntimeOptions(concurrency=3, prefetch_limit=50)


async def brief(job: Job) -> None: ...


@in_virtual_time
async def test_a_result_alone_is_settled_at_once_and_its_place_filled_with_it() -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(7 if job.id == "job-0" else 1000)

    source = MemorySource(leases(4))
    options = RuntimeOptions(concurrency=3, grace=timedelta(0))
    async with running(WorkerRuntime(source, only(handler), options)):
        await source.until(lambda: source.outcomes)
        assert now() == 7
        last = source.asked[-1]
        assert ([result.lease.job_id for result in last.results], last.wanted) == (["job-0"], 1)


@in_virtual_time
async def test_results_gather_while_an_exchange_is_in_flight_and_slots_go_on() -> None:
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        if job.id != "job-0":
            await gate.wait()

    source = MemorySource(leases(3))
    async with running(WorkerRuntime(source, only(handler), OPTIONS)):
        await source.until(lambda: len(source.due) == 0)
        source.open.clear()
        await source.until(lambda: len(source.asked) == 2)
        gate.set()
        await turns(20)
        assert len(source.asked) == 2
        source.open.set()
        await source.until(lambda: len(source.outcomes) == 3)
    told = [[result.lease.job_id for result in asked.results] for asked in source.asked[1:3]]
    assert (told[0], sorted(told[1])) == (["job-0"], ["job-1", "job-2"])


@in_virtual_time
async def test_it_asks_again_after_the_poll_interval_when_nothing_was_due() -> None:
    source = MemorySource()
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: len(source.asked) == 3)
    assert [(asked.wanted, asked.at) for asked in source.asked[:3]] == [(3, 0), (3, 1), (3, 2)]


@in_virtual_time
async def test_a_wake_up_cuts_the_wait_short() -> None:
    source = MemorySource()
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await asyncio.sleep(0.25)
        source.push(a_lease())
        await source.until(lambda: source.outcomes)
        assert now() == 0.25


@in_virtual_time
async def test_a_wake_up_during_an_exchange_that_finds_nothing_is_not_lost() -> None:
    class Racing(MemorySource):
        async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
            answer = await super().exchange(results, wanted)
            if len(self.asked) == 2:
                self.push(a_lease())
                await turns()
            return answer

    async def first(job: Job) -> None:
        await asyncio.sleep(0.5)

    source = Racing([a_lease(job_id="first")])
    async with running(WorkerRuntime(source, only(first), OPTIONS)):
        await source.until(lambda: len(source.outcomes) == 2)
    # Leased at the end of the first one's exchange, not a poll interval later.
    assert source.asked[-1].at == 1


@in_virtual_time
async def test_nothing_is_asked_for_while_all_slots_are_taken() -> None:
    async def hang(job: Job) -> None:
        await asyncio.Event().wait()

    source = MemorySource(leases(5))
    options = RuntimeOptions(concurrency=3, grace=timedelta(0))
    async with running(WorkerRuntime(source, only(hang), options)):
        await asyncio.sleep(60)
        assert len(source.asked) == 1


async def test_jobs_shorter_than_a_round_trip_are_taken_in_advance_up_to_the_limit() -> None:
    class Distant(MemorySource):
        async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
            await asyncio.sleep(0.005)
            return await super().exchange(results, wanted)

    source = Distant(leases(400))
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: len(source.outcomes) == 400)
    wanted = [asked.wanted for asked in source.asked]
    assert wanted[0] == 3
    assert 25 < max(wanted) <= 50


@in_virtual_time
async def test_results_are_kept_and_offered_again_while_the_source_is_unavailable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        await gate.wait()

    source = MemorySource(leases(3))
    async with running(WorkerRuntime(source, only(handler), OPTIONS)):
        await source.until(lambda: not source.due)
        source.up = False
        gate.set()
        await source.until(lambda: len(source.asked) == 12)
        source.up = True
        source.push(a_lease(job_id="after"))
        await source.until(lambda: len(source.outcomes) == 4)
    tries = [asked.at for asked in source.asked[2:12]]
    pauses = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert all(outcome == Succeeded() for outcome in source.outcomes.values())
    assert 0.05 <= pauses[0] <= 0.4
    assert 2.5 <= pauses[-1] <= 5
    assert "source unavailable, results kept" in caplog.messages


@in_virtual_time
async def test_it_starts_while_the_source_is_unavailable() -> None:
    source = MemorySource([a_lease()])
    source.up = False
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: len(source.asked) == 2)
        source.up = True
        await source.until(lambda: source.outcomes)


@in_virtual_time
async def test_a_wait_that_cannot_reach_the_source_becomes_a_poll() -> None:
    class Deaf(MemorySource):
        async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 -- the protocol's word
            self.up = False
            try:
                await super().wait(timeout)
            finally:
                self.up = True

    source = Deaf()
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: len(source.asked) == 3)
    assert [asked.at for asked in source.asked[:3]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("reason", "level", "message"),
    [
        (RefusalReason.ALREADY_APPLIED, logging.DEBUG, "result was applied before"),
        (RefusalReason.LEASE_LOST, logging.WARNING, "result refused, lease lost"),
    ],
)
@in_virtual_time
async def test_a_refused_result_is_told_and_not_offered_again(
    reason: RefusalReason, level: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = MemorySource([a_lease()])
    source.refuse["job-0"] = deque([Refusal(lease=a_lease(), reason=reason)])
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: not source.refuse["job-0"])
    assert sum(len(asked.results) for asked in source.asked) == 1
    assert [(record.levelno, record.message) for record in caplog.records] == [(level, message)]


@in_virtual_time
async def test_a_result_that_cannot_be_recorded_fails_its_job_for_good() -> None:
    source = MemorySource([a_lease(), a_lease(job_id="job-1")])
    source.refuse["job-0"] = deque([Refusal(lease=a_lease(), reason=RefusalReason.INVALID, message="too large")])
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: len(source.outcomes) == 2)
    error = AttemptError(type="InvalidResult", message="too large", non_retryable=True)
    assert source.outcomes == {"job-0": Failed(error=error), "job-1": Succeeded()}


@in_virtual_time
async def test_a_refused_failure_in_place_of_a_result_is_the_last_word() -> None:
    source = MemorySource([a_lease()])
    invalid = Refusal(lease=a_lease(), reason=RefusalReason.INVALID, message="too large")
    source.refuse["job-0"] = deque([invalid, invalid])
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: not source.refuse["job-0"])
    assert sum(len(asked.results) for asked in source.asked) == 2


@in_virtual_time
async def test_what_else_the_source_raises_ends_the_worker_loudly() -> None:
    class Broken(MemorySource):
        async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
            raise TimeoutError

    with pytest.raises(ExceptionGroup) as caught:
        await WorkerRuntime(Broken(), only(brief), OPTIONS).run()
    assert caught.group_contains(TimeoutError)
