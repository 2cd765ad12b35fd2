"""A queue in plain Python: what is to be true of the tables, said again without a database.

Its clock counts minutes, and the statements inside one minute in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from operator import attrgetter
from typing import TypeAlias

from gosynq_client.worker.outcomes import Failed, Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import DebounceMode, JobSpec, JobStatus, Priority, Stage
from gosynq_server.domain.lease import Lost
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.queue_settings import QueueSettings
from tests.service.properties.tables import JobRow

MINUTE = timedelta(minutes=1)
PRESENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands for the moment at which a spec is given, in what a spec says of moments."""
LEASE_MINUTES = 90
BACKOFF_MINUTES = Fraction(1, 2)
THOUSAND_YEARS = 8_766_000 * 60
UNLIMITED = 1_000_000

PLACE = attrgetter("place")

Rank: TypeAlias = tuple[int, int]
Ended: TypeAlias = tuple["ModelJob", Outcome | Lost]


@dataclass(slots=True, kw_only=True)
class ModelJob:
    """A job. became_due and step, with its priority, are what its rank was made of."""

    id: str
    kind: str
    priority: Priority
    fairness_key: str
    concurrency_key: str
    ordering_key: str
    stage: Stage
    status: JobStatus = JobStatus.PENDING
    run_at: Fraction
    expires_at: int | None
    rank: Rank | None = None
    became_due: int = 0
    step: int = 0
    lease_seq: int = 0
    failures: int = 0
    deliveries: int = 0
    lease_ends: int = 0
    cancel_requested: bool = False

    @property
    def waits_for_key(self) -> bool:
        return bool(self.concurrency_key or self.ordering_key)

    @property
    def place(self) -> tuple[Rank, str]:
        """Where it stands in the line of its fairness key."""
        assert self.rank is not None
        return self.rank, self.id


@dataclass(slots=True)
class QueueModel:
    """The queue and everything in it. Each verb does what the server's does, and returns what that is to answer."""

    settings: QueueSettings = field(default_factory=QueueSettings)
    state: QueueState = QueueState.ACTIVE
    jobs: dict[str, ModelJob] = field(default_factory=dict)
    debounced: dict[str, str] = field(default_factory=dict)
    now: int = 0
    ticks: int = 0
    lane: str = ""
    taken: int = 0
    next_lease_at: Fraction = Fraction(0)

    def at(self, *stages: Stage) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.stage in stages]

    @property
    def pending(self) -> list[ModelJob]:
        return self.at(Stage.SCHEDULED, Stage.READY)

    def is_live(self, job: ModelJob) -> bool:
        return job.expires_at is None or job.expires_at > self.now

    def enqueue(self, specs: Sequence[JobSpec], answered: Sequence[str | None]) -> list[str | None]:
        """Add jobs under the ids that they were given; return the ids to be answered, None being a refusal."""
        if self.state is QueueState.DRAINING:
            return [None] * len(specs)
        answers: dict[int, str | None] = {}
        for place in sorted(range(len(specs)), key=lambda place: specs[place].debounce_key):
            if specs[place].debounce_key:
                answers[place] = self._debounce(specs[place], answered[place])
        others = [place for place in range(len(specs)) if place not in answers]
        fitting = others[: self._room(len(others))]
        self.ticks += 1
        for place in fitting:
            self._add(specs[place], answered[place] or "refused")
        return [answers.get(place, answered[place] if place in fitting else None) for place in range(len(specs))]

    def _debounce(self, spec: JobSpec, answered: str | None) -> str | None:
        waiting = self.jobs.get(self.debounced.get(spec.debounce_key, ""))
        if waiting and waiting.status is JobStatus.PENDING and not waiting.lease_seq:
            self._settle_debounce(spec, waiting)
            return waiting.id
        self.debounced.pop(spec.debounce_key, None)
        if not self._room(1):
            return None
        self.ticks += 1
        self._add(spec, answered or "refused")
        self.debounced[spec.debounce_key] = answered or "refused"
        return answered

    def _settle_debounce(self, spec: JobSpec, waiting: ModelJob) -> None:
        if spec.debounce_mode is DebounceMode.RESCHEDULE:
            self.reschedule(waiting, _minutes(spec))
        if spec.debounce_mode is DebounceMode.REPLACE:
            self.jobs[waiting.id] = self._job_of(spec, waiting.id)

    def _add(self, spec: JobSpec, job_id: str) -> None:
        job = self.jobs[job_id] = self._job_of(spec, job_id)
        if job.run_at <= self.now:
            self._become_due(job)

    def _job_of(self, spec: JobSpec, job_id: str) -> ModelJob:
        return ModelJob(
            id=job_id,
            kind=spec.kind,
            priority=spec.priority or Priority.NORMAL,
            fairness_key=spec.fairness_key,
            concurrency_key=spec.concurrency_key,
            ordering_key=spec.ordering_key,
            stage=Stage.SCHEDULED,
            run_at=Fraction(self.now + _minutes(spec)),
            expires_at=None if spec.expires_at is None else self.now + (spec.expires_at - PRESENT) // MINUTE,
        )

    def _room(self, wanted: int) -> int:
        limit = self.settings.max_pending
        return wanted if limit is None else max(0, min(wanted, limit - len(self.pending)))

    def _become_due(self, job: ModelJob) -> None:
        """Give a job its rank; one without a key stands at the front then."""
        job.became_due, job.step = self.now, self._step
        job.rank = (self.now - (job.priority - 1) * job.step, self.ticks)
        if not job.waits_for_key:
            job.stage = Stage.READY

    @property
    def _step(self) -> int:
        ageing = self.settings.priority_ageing
        return THOUSAND_YEARS if self.settings.strict_priorities else 10 if ageing is None else ageing // MINUTE

    def promote(self) -> None:
        self.ticks += 1
        for job in self.at(Stage.SCHEDULED):
            if job.rank is None and job.run_at <= self.now:
                self._become_due(job)

    def admit(self) -> None:
        held = self.at(Stage.SCHEDULED)
        for key in {job.concurrency_key for job in held if job.concurrency_key}:
            waiting = sorted((job for job in held if job.concurrency_key == key and job.rank), key=PLACE)
            for job in waiting[: self._places(key)]:
                job.stage = Stage.READY
        for key in {job.ordering_key for job in held if job.ordering_key}:
            head = min((job for job in held if job.ordering_key == key), key=attrgetter("id"))
            if head.rank and not any(job.ordering_key == key for job in self.at(Stage.READY, Stage.RUNNING)):
                head.stage = Stage.READY

    def _places(self, key: str) -> int:
        limit = self.settings.max_concurrency_per_key
        taken = sum(job.concurrency_key == key for job in self.at(Stage.READY, Stage.RUNNING))
        return UNLIMITED if limit is None else max(0, limit - taken)

    def lease(self, wanted: int, kinds: Sequence[str]) -> list[str]:
        """Lease job after job, each as if it were asked for alone."""
        if self.state is QueueState.PAUSED:
            return []
        in_turn = self._is_limited or any(job.fairness_key for job in self.at(Stage.READY))
        leased: list[str] = []
        room = self.lease_room() if in_turn else UNLIMITED
        while len(leased) < min(wanted, room) and (job := self._next(kinds, in_turn=in_turn)):
            self._start(job)
            leased.append(job.id)
        if leased and self._rate:
            self.next_lease_at = max(self.next_lease_at, Fraction(self.now)) + len(leased) / self._rate
        return leased

    def waiting(self, kinds: Iterable[str]) -> Iterator[ModelJob]:
        """Give the jobs that a fetch of these kinds may take."""
        return (job for job in self.at(Stage.READY) if job.kind in kinds and self.is_live(job))

    def lease_room(self) -> int:
        """Return how many leases the queue's limits leave."""
        room, limits = UNLIMITED, self.settings
        if limits.max_concurrency is not None:
            room = limits.max_concurrency - len(self.at(Stage.RUNNING))
        if self._rate:
            room = min(room, floor(self.burst - max(self.next_lease_at - self.now, Fraction(0)) * self._rate))
        return room

    @property
    def burst(self) -> int:
        return self.settings.lease_burst or 1

    @property
    def _rate(self) -> Fraction | None:
        """Leases a minute."""
        rate = self.settings.max_leases_per_second
        return None if rate is None else Fraction(round(rate * 120), 2)

    @property
    def _is_limited(self) -> bool:
        return self.settings.max_concurrency is not None or self._rate is not None

    def _next(self, kinds: Sequence[str], *, in_turn: bool) -> ModelJob | None:
        lines = {job.fairness_key for job in self.waiting(kinds)}
        if not lines:
            return None
        lane = self._take_turn(lines) if in_turn else ""
        return min((job for job in self.waiting(kinds) if job.fairness_key == lane), key=PLACE)

    def _take_turn(self, lines: set[str]) -> str:
        """Return whose turn it is, as often as its weight, in the order of the keys, round and round."""
        if self.lane not in lines or self.taken >= self.settings.fairness_weights.get(self.lane, 1):
            self.lane = min((line for line in lines if line > self.lane), default=min(lines))
            self.taken = 0
        self.taken += 1
        return self.lane

    def _start(self, job: ModelJob) -> None:
        job.stage, job.status, job.rank = Stage.RUNNING, JobStatus.PROCESSING, None
        job.lease_seq += 1
        job.deliveries += 1
        job.lease_ends = self.now + LEASE_MINUTES

    def settle(self, ended: Sequence[Ended]) -> None:
        """End attempts; those that are given back share a moment."""
        self.ticks += 1
        for job, outcome in ended:
            self._judge(job, outcome)

    def _judge(self, job: ModelJob, outcome: Outcome | Lost) -> None:
        match outcome:
            case Succeeded():
                self._finish(job, JobStatus.COMPLETED)
            case _ if job.cancel_requested:
                self._finish(job, JobStatus.CANCELLED)
            case Snoozed(delay=delay):
                job.deliveries -= 1
                self._put_off(job, Fraction(delay // MINUTE))
            case Released():
                job.deliveries -= 1
                self._put_off(job, Fraction(0))
                self._become_due(job)
            case Failed(error=error):
                job.deliveries -= 1
                job.failures += 1
                self._retry_or_bury(job, is_over=error.non_retryable or job.failures > (self.settings.max_retries or 0))
            case _:
                self._retry_or_bury(job, is_over=job.deliveries >= (self.settings.max_deliveries or 0))

    def _retry_or_bury(self, job: ModelJob, *, is_over: bool) -> None:
        if is_over:
            self._finish(job, JobStatus.FAILED)
        else:
            self._put_off(job, BACKOFF_MINUTES)

    def _put_off(self, job: ModelJob, minutes: Fraction) -> None:
        job.stage, job.status, job.rank, job.run_at = Stage.SCHEDULED, JobStatus.PENDING, None, self.now + minutes

    def _finish(self, job: ModelJob, status: JobStatus) -> None:
        job.stage, job.status, job.rank = Stage.FINISHED, status, None

    def rescue(self) -> None:
        self.settle([(job, Lost()) for job in self.at(Stage.RUNNING) if job.lease_ends <= self.now])

    def expire(self) -> None:
        for job in self.pending:
            if not self.is_live(job):
                self._finish(job, JobStatus.CANCELLED)

    def cancel(self, job: ModelJob, *, force: bool) -> None:
        if job.stage is Stage.RUNNING and not force:
            job.cancel_requested = True
        elif job.stage is not Stage.FINISHED:
            self._finish(job, JobStatus.CANCELLED)

    def retry(self, job: ModelJob, minutes: int) -> None:
        if job.stage is not Stage.FINISHED:
            self.reschedule(job, minutes)
            return
        job.failures = job.deliveries = 0
        job.expires_at, job.cancel_requested = None, False
        self._put_off(job, Fraction(minutes))

    def reschedule(self, job: ModelJob, minutes: int) -> None:
        """Give a pending job another start; one at the front stays unless it is put off."""
        if job.stage is Stage.READY and not minutes:
            return
        job.stage, job.run_at = Stage.SCHEDULED, Fraction(self.now + minutes)
        job.rank = None if minutes else job.rank

    def update(self, settings: QueueSettings) -> None:
        limit, before = settings.max_concurrency_per_key, self.settings.max_concurrency_per_key
        used = max(self.next_lease_at - self.now, Fraction(0)) * (self._rate or 0)
        self.settings = settings
        self.next_lease_at = Fraction(self.now)
        if self._rate:
            self.next_lease_at += min(used, Fraction(self.burst)) / self._rate
        if limit is not None and (before is None or limit < before):
            for job in self.at(Stage.READY):
                job.stage = Stage.SCHEDULED if job.concurrency_key else Stage.READY

    def row_of(self, job: ModelJob) -> JobRow:
        """Return a job as its tables are to have it."""
        return JobRow(
            id=job.id,
            stage=job.stage,
            status=job.status,
            kind=job.kind,
            priority=job.priority,
            fairness_key=job.fairness_key,
            concurrency_key=job.concurrency_key,
            ordering_key=job.ordering_key,
            lease_seq=job.lease_seq,
            failures=job.failures,
            deliveries=job.deliveries,
            cancel_requested=job.cancel_requested and job.stage is Stage.RUNNING,
            is_due=job.stage is not Stage.SCHEDULED or job.run_at <= self.now,
            is_ranked=job.rank is not None,
        )


def _minutes(spec: JobSpec) -> int:
    return (spec.delay or 0 * MINUTE) // MINUTE
