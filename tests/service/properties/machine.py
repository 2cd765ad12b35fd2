"""The queue and its model side by side: each rule does one thing to both, and both answer the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gosynq_client.worker.leases import Lease, Result
from gosynq_client.worker.outcomes import Outcome
from gosynq_server.domain.errors import QueueDraining, QueueFull
from gosynq_server.domain.explanation import HoldType
from gosynq_server.domain.job import JobSpec, JobStatus, Stage
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.queue_settings import QueueSettings, QueueUpdate, leaves_of
from gosynq_server.service.adding import Enqueued
from gosynq_server.store import jobs, keys
from tests.service.house import HOUR, WINDOW
from tests.service.invariants import check_invariants
from tests.service.properties.bounds import check_admitted, check_keys, check_order, check_rate
from tests.service.properties.conftest import Ground
from tests.service.properties.model import LEASE_MINUTES, MINUTE, PLACE, PRESENT, ModelJob, QueueModel
from tests.service.properties.tables import read, shift
from tests.service.properties.wishes import KINDS, flags, kinds, minutes, outcomes, picks, settings, specs

T = TypeVar("T")

OF_WORKERS = {HoldType.NO_WORKER_FOR_QUEUE, HoldType.NO_WORKER_FOR_KIND, HoldType.WORKERS_BUSY}
ALL = 1000


class QueueMachine(RuleBasedStateMachine):
    """Everything that happens to one queue, one thing after another."""

    ground: Ground

    def __init__(self) -> None:
        super().__init__()
        self.house = self.ground.house
        self.model = QueueModel()
        self.leases: list[Lease] = []
        self.leased_at: list[datetime] = []
        self.ground.clear()

    def teardown(self) -> None:
        self.ground.run(check_invariants(self.house.sql))

    @initialize(wanted=settings())
    def make(self, wanted: QueueSettings) -> None:
        self.update(wanted)

    @rule(wanted=st.lists(specs(), min_size=1, max_size=8))
    def enqueue(self, wanted: Sequence[JobSpec]) -> None:
        answers = self.ground.run(self.house.enqueuer.enqueue_each([_now(spec) for spec in wanted]))
        ids = [answer.job_id if isinstance(answer, Enqueued) else None for answer in answers]
        assert all(isinstance(answer, Enqueued | QueueFull | QueueDraining) for answer in answers), answers
        assert self.model.enqueue(wanted, ids) == ids
        self._check_room(answers)

    def _check_room(self, answers: Sequence[Any]) -> None:
        limit = self.model.settings.max_pending
        if limit is not None and any(isinstance(answer, Enqueued) and not answer.deduplicated for answer in answers):
            assert self._stored("status = 'pending'") <= limit

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks, force=flags)
    def cancel(self, pick: int, force: bool) -> None:
        job = _nth(self.model.jobs.values(), pick)
        if job.status not in {JobStatus.COMPLETED, JobStatus.FAILED}:
            self.ground.run(self.house.jobs.cancel(job.id, reason="", force=force))
            self.model.cancel(job, force=force)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        job = _nth(self.model.jobs.values(), pick)
        self.ground.run(self.house.jobs.delete(job.id, force=True, allow_missing=False))
        del self.model.jobs[job.id]

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks, later=minutes)
    def retry(self, pick: int, later: int) -> None:
        job = _nth(self.model.jobs.values(), pick)
        if job.status not in {JobStatus.COMPLETED, JobStatus.PROCESSING}:
            run_at = datetime.now(UTC) + later * MINUTE if later else None
            self.ground.run(self.house.jobs.retry(job.id, run_at=run_at))
            self.model.retry(job, later)

    @rule(
        endings=st.dictionaries(picks, outcomes, max_size=3),
        wanted=st.integers(min_value=0, max_value=4),
        wanted_kinds=kinds,
    )
    def exchange(self, endings: dict[int, Outcome], wanted: int, wanted_kinds: Sequence[str]) -> None:
        places = {pick % len(self.leases): outcome for pick, outcome in endings.items()} if self.leases else {}
        results = [Result(lease=self.leases[place], outcome=outcome) for place, outcome in places.items()]
        self.lease(wanted, wanted_kinds, results=results)

    @rule(wanted=st.integers(min_value=1, max_value=6), wanted_kinds=kinds)
    def fetch(self, wanted: int, wanted_kinds: Sequence[str]) -> None:
        self.lease(wanted, wanted_kinds)

    def lease(self, wanted: int, wanted_kinds: Sequence[str], *, results: Sequence[Result] = ()) -> list[str]:
        """Exchange results for leases; the jobs are those that the model hands out, in its order."""
        self._settle(results)
        waiting = [replace(job) for job in self.model.waiting(wanted_kinds)]
        expected = self.model.lease(wanted, wanted_kinds)
        answer = self.ground.run(self.house.exchange(*results, wanted=wanted, kinds=wanted_kinds))
        leased = [lease.job_id for lease in answer.leases]
        self.leases += answer.leases
        self._check_leases(answer.leases, waiting)
        assert leased == expected
        return leased

    def _check_leases(self, leases: Sequence[Lease], waiting: Sequence[ModelJob]) -> None:
        limits = self.model.settings
        self.leased_at += [lease.leased_at + self.model.now * MINUTE for lease in leases]
        if not leases:
            return
        assert self.model.state is not QueueState.PAUSED
        assert limits.max_concurrency is None or self._stored("status = 'processing'") <= limits.max_concurrency
        if limits.max_leases_per_second is not None:
            check_rate(self.leased_at, limits.max_leases_per_second, self.model.burst)
        check_order([lease.job_id for lease in leases], waiting)

    def _settle(self, results: Sequence[Result]) -> None:
        held = {(job.id, job.lease_seq): job for job in self.model.at(Stage.RUNNING)}
        ended = [(held.get((result.lease.job_id, result.lease.lease_seq)), result.outcome) for result in results]
        self.model.settle([(job, outcome) for job, outcome in ended if job])

    @rule(part=st.sampled_from(["stage", "stage", "admit", "admit", "expire", "rescue"]))
    def tend(self, part: str) -> None:
        getattr(self, part)()

    def rescue(self) -> None:
        self.ground.run(self.house.leases.rescue(limit=ALL))
        self.model.rescue()

    def stage(self) -> None:
        self.ground.run(jobs.promote(self.house.database, "q", limit=ALL))
        self.model.promote()

    def admit(self) -> None:
        before = self.ground.run(read(self.house.sql))
        self.ground.run(keys.admit(self.house.database, "q", limit=ALL))
        self.model.admit()
        check_admitted(before, self.ground.run(read(self.house.sql)))

    def expire(self) -> None:
        for stage in (Stage.SCHEDULED, Stage.READY):
            self.ground.run(jobs.expire(self.house.database, stage=stage, limit=ALL, retention=HOUR, window=WINDOW))
        self.model.expire()

    @rule(passed=st.sampled_from([1, 5, 10, 30, LEASE_MINUTES]))
    def pass_time(self, passed: int) -> None:
        self.ground.run(shift(self.house.sql, passed * MINUTE))
        self.model.now += passed

    @rule(state=st.sampled_from([*[QueueState.ACTIVE] * 4, QueueState.PAUSED, QueueState.DRAINING]))
    def switch(self, state: QueueState) -> None:
        verbs = self.house.queue_verbs
        match state:
            case QueueState.PAUSED:
                self.ground.run(verbs.pause("q", reason=""))
            case QueueState.DRAINING:
                self.ground.run(verbs.drain("q", reason=""))
            case _:
                self.ground.run(verbs.resume("q"))
        self.model.state = state

    @rule(wanted=settings())
    def update(self, wanted: QueueSettings) -> None:
        change = QueueUpdate(name="q", settings=wanted, paths=leaves_of(["*"]), allow_missing=True)
        self.ground.run(self.house.queue_verbs.update(change))
        self.model.update(wanted)
        self.leased_at = []

    @precondition(lambda self: self.model.pending)
    @rule(pick=picks)
    def explain(self, pick: int) -> None:
        self.stage()
        self.admit()
        job = _nth(self.model.pending, pick)
        holds = self.ground.run(self.house.jobs.explain(job.id))[1]
        told = {hold.type: hold for hold in holds if hold.type not in OF_WORKERS}
        if not told:
            assert self.lease(1, [job.kind]) == [job.id]
        elif told.keys() != {HoldType.JOBS_AHEAD}:
            assert job.id not in self.lease(ALL, KINDS)
        else:
            self._check_ahead(job, told[HoldType.JOBS_AHEAD].count)

    def _check_ahead(self, job: ModelJob, count: int) -> None:
        room = self.model.lease_room()
        leased = [other for other in self.lease(ALL, KINDS) if self.model.jobs[other].fairness_key == job.fairness_key]
        assert leased[count : count + 1] == [job.id] or (job.id not in leased and room < ALL)

    @invariant()
    def the_tables_are_as_the_model_has_them(self) -> None:
        rows = self.ground.run(read(self.house.sql))
        assert {row.id: row for row in rows} == {job.id: self.model.row_of(job) for job in self.model.jobs.values()}
        waiting = [job for job in self.model.pending if job.rank]
        assert [row.id for row in rows if row.is_ranked] == [job.id for job in sorted(waiting, key=PLACE)]
        check_keys(rows, self.model.settings.max_concurrency_per_key)

    def _stored(self, condition: str) -> int:
        count: int = self.ground.run(self.house.sql.fetchval(f"SELECT count(*) FROM gosynq.jobs WHERE {condition}"))  # noqa: S608 - ours
        return count


def _nth(things: Collection[T], pick: int) -> T:
    return list(things)[pick % len(things)]


def _now(spec: JobSpec) -> JobSpec:
    if spec.expires_at is None:
        return spec
    return replace(spec, expires_at=datetime.now(UTC) + (spec.expires_at - PRESENT))
