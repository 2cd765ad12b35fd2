"""Stopping a worker, at every phase, and what survives."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker import Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.leases import Exchange, Result
from gosynq_client.worker.outcomes import Cancelled, Outcome, Released, Succeeded
from tests.unit.worker.memory_source import MemorySource, a_lease, leases, only, running, turns
from tests.unit.worker.virtual_time import VirtualTimeLoop, in_virtual_time, now

OPTIONS = RuntimeOptions(concurrency=2, grace=timedelta(seconds=10), settle_time=timedelta(seconds=4))


async def brief(job: Job) -> None: ...


async def hang(job: Job) -> None:
    await asyncio.Event().wait()


async def at_work(runtime: WorkerRuntime) -> None:
    while not runtime.active:  # noqa: ASYNC110 -- the runtime tells nobody when a handler starts
        await asyncio.sleep(0)


@in_virtual_time
async def test_a_worker_stopped_before_it_ran_leases_nothing() -> None:
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(brief), OPTIONS)
    runtime.stop()
    await runtime.run()
    assert (source.asked, now()) == ([], 0)


@in_virtual_time
async def test_an_idle_worker_stops_at_once() -> None:
    source = MemorySource()
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await asyncio.sleep(0.5)
    assert now() == 0.5


@in_virtual_time
async def test_a_handler_may_finish_within_the_grace() -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(9)

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
    assert (source.outcomes, now()) == ({"job-0": Succeeded()}, 9)


@in_virtual_time
async def test_after_the_grace_a_handler_is_cancelled_and_its_job_given_back_uncounted() -> None:
    cleaned = asyncio.Event()

    async def handler(job: Job) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(handler), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
    assert (source.outcomes, now(), cleaned.is_set()) == ({"job-0": Released()}, 10, True)


@in_virtual_time
async def test_leases_are_kept_alive_during_the_grace() -> None:
    source = MemorySource([a_lease(lease_duration=timedelta(seconds=9))])
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
    assert [at for at, _ in source.extended] == [3, 6, 9]


@in_virtual_time
async def test_a_second_stop_changes_nothing() -> None:
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
        runtime.stop()
        await asyncio.sleep(5)
    runtime.stop()
    assert (source.outcomes, now()) == ({"job-0": Released()}, 10)


@in_virtual_time
async def test_leases_that_come_after_the_stop_are_given_back_unstarted() -> None:
    source = MemorySource([a_lease()])
    source.open.clear()
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await source.until(lambda: source.asked)
        runtime.stop()
        source.open.set()
    assert (source.outcomes, now()) == ({"job-0": Released()}, 0)


@in_virtual_time
async def test_a_cancel_during_the_grace_is_heard() -> None:
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
        runtime.stop()
        await asyncio.sleep(1)
        runtime.cancel("job-0", "hurry")
    assert (source.outcomes, now()) == ({"job-0": Cancelled(message="hurry")}, 1)


@in_virtual_time
async def test_a_job_whose_handler_ignores_its_cancellation_is_given_back(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn(job: Job) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(stubborn), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
    assert source.outcomes == {"job-0": Released()}
    assert caplog.messages == ["handler ignores cancellation, job given back"]
    # Given back after half the settling time; cancelled again then, and once more a second later.
    assert now() == 13


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_thread_that_goes_on_after_the_grace_does_not_hold_up_the_stop(cancelled: bool) -> None:
    started, release = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        started.set()
        release.wait(10)

    source = MemorySource([a_lease()])
    options = RuntimeOptions(concurrency=1, grace=timedelta(0), settle_time=timedelta(seconds=0.1))
    runtime = WorkerRuntime(source, only(handler), options)
    async with running(runtime):
        await asyncio.to_thread(started.wait, 10)
        if cancelled:
            runtime.cancel("job-0", "enough")
        stopped_at = time.monotonic()
    assert source.outcomes == {"job-0": Cancelled(message="enough") if cancelled else Released()}
    assert 0.05 <= time.monotonic() - stopped_at < options.thread_grace.total_seconds()
    release.set()


@in_virtual_time
async def test_results_are_settled_after_an_outage_in_the_stop() -> None:
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
        source.up = False
        runtime.stop()
        await asyncio.sleep(12)
        source.up = True
    assert source.outcomes == {"job-0": Released()}
    assert 12 <= now() <= 12.5


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
@in_virtual_time
async def test_a_stop_gives_up_on_an_unreachable_source_after_the_settling_time(
    hangs: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = MemorySource([a_lease()])
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    async with running(runtime):
        await at_work(runtime)
        source.up = False
        if hangs:
            source.open.clear()
    assert (source.outcomes, now()) == ({}, 14)
    assert caplog.messages[-1] == "stopped with results unsettled, their leases will run out"


@in_virtual_time
async def test_a_stop_during_a_back_off_tries_again_at_once() -> None:
    source = MemorySource()
    source.up = False
    runtime = WorkerRuntime(source, only(brief), OPTIONS)
    async with running(runtime):
        await source.until(lambda: len(source.asked) == 10)
        at = now()
    assert now() == at


@in_virtual_time
async def test_after_an_exchange_that_failed_a_stop_gives_the_source_one_more() -> None:
    source = MemorySource()
    source.up = False
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await source.until(lambda: source.asked)
        source.up = True
    assert [asked.wanted for asked in source.asked] == [OPTIONS.concurrency, 0]


@in_virtual_time
async def test_a_source_that_loses_a_cancel_does_not_hold_up_the_stop() -> None:
    class Lossy(MemorySource):
        async def wait(self, timeout: timedelta) -> None:  # noqa: ASYNC109 -- the protocol's word
            try:
                await super().wait(timeout)
            except asyncio.CancelledError:
                return

    source = Lossy()
    async with running(WorkerRuntime(source, only(brief), OPTIONS)):
        await asyncio.sleep(0.5)
    assert now() == 1.5


@in_virtual_time
async def test_cancelling_a_worker_abandons_its_leases_and_leaves_no_task() -> None:
    source = MemorySource(leases(3))
    runtime = WorkerRuntime(source, only(hang), OPTIONS)
    task = asyncio.create_task(runtime.run())
    await source.until(lambda: len(source.due) == 1)
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.outcomes == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_a_worker_does_not_wait_for_its_threads() -> None:
    started, release = threading.Event(), threading.Event()

    def handler(job: Job) -> None:
        started.set()
        release.wait(10)

    source = MemorySource([a_lease()])
    task = asyncio.create_task(WorkerRuntime(source, only(handler), OPTIONS).run())
    await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


@in_virtual_time
async def test_a_cancel_of_a_job_that_is_not_here_changes_nothing() -> None:
    runtime = WorkerRuntime(MemorySource(), only(brief), OPTIONS)
    runtime.cancel("elsewhere", "")
    assert runtime.held == 0


class Unsteady(MemorySource):
    """Its answers are late, and some get lost after the results were applied."""

    def __init__(self, jobs: int, fates: Sequence[str]) -> None:
        super().__init__(leases(jobs, lease_duration=timedelta(seconds=3)))
        self._fates = list(fates)
        self.offered: dict[str, set[Outcome]] = defaultdict(set)
        self.adrift: set[str] = set()

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        await asyncio.sleep(0.05)
        self.up = (fate := self._fates.pop() if self._fates else "fine") != "down"
        for result in results:
            self.offered[result.lease.job_id].add(result.outcome)
        answer = await super().exchange(results, wanted)
        if fate == "lost":
            self.adrift |= {lease.job_id for lease in answer.leases}
            self.up = False
            self._check_up()
        return answer


@given(
    durations=st.lists(st.sampled_from([0.0, 0.01, 0.7, 2.0, 30.0]), min_size=1, max_size=25),
    fates=st.lists(st.sampled_from(["fine", "down", "lost"]), max_size=8),
    lost=st.sets(st.integers(0, 24), max_size=3),
    cancels=st.sets(st.integers(0, 24), max_size=3),
    stop_at=st.sampled_from([0.0, 0.06, 1.0, 5.0, 40.0]),
)
def test_every_job_has_one_outcome_whatever_happens(
    durations: list[float], fates: list[str], lost: set[int], cancels: set[int], stop_at: float
) -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(durations[int(job.id.removeprefix("job-"))])

    async def scenario() -> None:
        source = Unsteady(len(durations), fates)
        source.lost = {f"job-{number}" for number in lost}
        source.cancels = {f"job-{number}": "" for number in cancels}
        runtime = WorkerRuntime(source, only(handler, timedelta(seconds=20)), OPTIONS)
        async with running(runtime):
            await asyncio.sleep(stop_at)
        handed_out = {f"job-{number}" for number in range(len(durations))} - {lease.job_id for lease in source.due}
        # What was lost on its way here runs out by itself; a lost lease has no outcome; all else has exactly one.
        assert set(source.outcomes) == handed_out - source.adrift - source.lost
        assert {job: len(outcomes) for job, outcomes in source.offered.items() if len(outcomes) > 1} == {}
        assert (runtime.held, runtime.active) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(scenario())
