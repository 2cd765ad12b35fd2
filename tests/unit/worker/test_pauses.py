"""Leases that a worker has while it is paused: nothing begins whose lease may be another worker's by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gosynq_client.worker import Job, RuntimeOptions, WorkerRuntime
from gosynq_client.worker.leases import Exchange, Result
from gosynq_client.worker.outcomes import Outcome, Released, Succeeded
from tests.unit.worker.clock import Clock, install
from tests.unit.worker.memory_source import MemorySource, leases, only, running
from tests.unit.worker.virtual_time import in_virtual_time

ONE_AT_A_TIME = RuntimeOptions(concurrency=1, grace=timedelta(0), settle_time=timedelta(0))


class Pausing(MemorySource):
    """pause: how long the answers are on their way. granted_at: what they say. It hands out all that it has at once."""

    def __init__(self, clock: Clock, *, jobs: int = 1, pause: float = 0, granted_at: float | None = None) -> None:
        super().__init__(leases(jobs))
        self._clock = clock
        self._pause = pause
        self._granted_at = granted_at

    async def exchange(self, results: Sequence[Result], wanted: int) -> Exchange:
        answer = await super().exchange(results, len(self.due))
        self._clock.now += self._pause
        return replace(answer, granted_at=self._granted_at)


@pytest.mark.parametrize(
    ("pause", "granted_at", "outcome"),
    [(29, None, Succeeded()), (30, None, Released()), (0, 971, Succeeded()), (0, 970, Released())],
)
@in_virtual_time
async def test_a_lease_that_may_have_run_out_on_its_way_is_given_back(
    pause: float, granted_at: float | None, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def brief(job: Job) -> None: ...

    source = Pausing(install(monkeypatch), pause=pause, granted_at=granted_at)
    async with running(WorkerRuntime(source, only(brief), ONE_AT_A_TIME)):
        await source.until(lambda: source.outcomes)
    assert source.outcomes == {"job-0": outcome}


@pytest.mark.parametrize(("pause", "outcome"), [(29, Succeeded()), (30, Released())])
@in_virtual_time
async def test_a_lease_that_may_have_run_out_while_it_waited_for_a_slot_is_given_back(
    pause: float, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = install(monkeypatch)

    async def paused(job: Job) -> None:
        clock.now += pause if job.id == "job-0" else 0

    source = Pausing(clock, jobs=2)
    async with running(WorkerRuntime(source, only(paused), ONE_AT_A_TIME)):
        await source.until(lambda: len(source.outcomes) == 2)
    assert source.outcomes == {"job-0": Succeeded(), "job-1": outcome}
