"""How jobs are added to one queue: checked, inserted, and found again where their idempotency key is taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import (
    DatabaseBusy,
    FieldViolation,
    GosynqError,
    IdempotencyKeyReused,
    PayloadTooLarge,
    QueueDeleting,
    QueueDraining,
    QueueFull,
    ValidationFailed,
)
from gosynq_server.domain.fingerprint import fingerprint
from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import Job, JobId, JobSpec, JobStatus, Stage
from gosynq_server.domain.queue import QueueState
from gosynq_server.service.debouncing import Debouncer
from gosynq_server.store import jobs, keys, queues
from gosynq_server.store.jobs import Added, NewJob
from gosynq_server.store.records import job_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_server.domain.event import Position
    from gosynq_server.domain.queue import Queue
    from gosynq_server.store.database import Executor
    from gosynq_server.store.keys import NamedKey

_INLINE_BYTES = 1024
_TRIES = 5
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """What became of a spec: the job that it made or was found to have made; job only where it was asked for.

    begin is a position before all events of a job that was made, where one is known.
    """

    job_id: str
    status: JobStatus
    deduplicated: bool
    job: Job | None = None
    begin: Position | None = None


def new_job(spec: JobSpec, queue: Queue) -> NewJob:
    """Check a spec against its queue and give it an id.

    Raises QueueDeleting, PayloadTooLarge, QueueDraining and ValidationFailed.
    """
    if queue.state is QueueState.DELETING:
        raise QueueDeleting(queue=queue.name)
    limit = queue.defaults.max_payload_bytes
    if len(spec.payload) > limit:
        raise PayloadTooLarge(size=len(spec.payload), limit=limit)
    if queue.state is QueueState.DRAINING and not spec.idempotency_key:
        raise QueueDraining(queue=queue.name)
    _check_text(spec)
    return NewJob(
        id=new_job_id(),
        spec=spec,
        priority=queue.priority_of(spec),
        fingerprint=fingerprint(spec) if spec.idempotency_key else None,
    )


def _check_text(spec: JobSpec) -> None:
    for field, texts in (("labels", spec.labels), ("headers", spec.headers)):
        if any(_UNSTORABLE.search(text) for text in texts.values()):
            description = "must not contain the character NUL, nor half of a surrogate pair"
            raise ValidationFailed((FieldViolation(field=field, description=description, reason="string.storable"),))


def fresh_job(new: NewJob, added: Added, queue: Queue) -> Job:
    """Return a job as it is right after it was added, without its content."""
    spec, defaults = new.spec, queue.defaults
    return Job(
        id=new.id,
        queue=queue.name,
        kind=spec.kind,
        status=JobStatus.PENDING,
        stage=Stage.SCHEDULED if added.run_at > added.created_at or spec.waits_for_key else Stage.READY,
        priority=new.priority,
        payload=None,
        content_type=spec.content_type,
        max_retries=defaults.max_retries if spec.max_retries is None else spec.max_retries,
        max_deliveries=defaults.max_deliveries if spec.max_deliveries is None else spec.max_deliveries,
        failures=0,
        deliveries=0,
        retry_policy=queue.retry_policy_of(spec.retry_policy),
        lease_duration=spec.lease_duration or defaults.lease_duration,
        attempt_timeout=spec.attempt_timeout or defaults.attempt_timeout,
        retention=defaults.retention if spec.retention is None else spec.retention,
        created_at=added.created_at,
        run_at=added.run_at,
        updated_at=added.created_at,
        expires_at=spec.expires_at,
        idempotency_key=spec.idempotency_key,
        schedule_id=spec.schedule_id,
        labels=spec.labels,
        concurrency_key=spec.concurrency_key,
        ordering_key=spec.ordering_key,
        fairness_key=spec.fairness_key,
    )


def needs_transaction(queue: Queue, group: Sequence[NewJob]) -> bool:
    """Say whether these jobs can be added in a transaction only: what is looked at must hold until they are there."""
    return queue.limits.max_pending is not None or any(new.spec.debounce_key for new in group)


class QueueAdder:
    """Adds jobs to one queue by one executor, holding to the rules of its keys and of its limit.

    A key that is held names one job: a spec with its fingerprint finds the job, another one is refused. window is how
    long a key is held beyond its job's end. answers is what is known of each job by now, under the id that it was
    given, begin being where their events begin; with an executor that commits each statement they hold, whatever comes
    after them.
    """

    def __init__(
        self,
        executor: Executor,
        queue: Queue,
        *,
        window: timedelta,
        with_job: bool,
        begin: Position | None = None,
    ) -> None:
        self._executor = executor
        self._queue = queue
        self._window = window
        self._with_job = with_job
        self._begin = begin
        self.answers: dict[JobId, Enqueued | GosynqError] = {}

    async def add(self, group: Sequence[NewJob]) -> None:
        """Add jobs, each answered; raises DatabaseBusy where keys change too fast."""
        if self._queue.state is QueueState.DRAINING:
            await self.find(group)
            return
        debounced = [new for new in group if new.spec.debounce_key]
        for new in sorted(debounced, key=lambda new: new.spec.debounce_key):
            await self._debounce(new)
        refused = await self._insert(await self._fitting([new for new in group if not new.spec.debounce_key]))
        for _ in range(_TRIES):
            if refused:
                refused = await self._insert(await self._without_held_keys(refused))
        if refused:
            raise DatabaseBusy

    async def _debounce(self, new: NewJob) -> None:
        """Answer by the job that waits under its key, or add it: the next one may be for the same key."""
        waiting = await Debouncer(self._executor, self._queue, inline_limit=_INLINE_BYTES).settle(new)
        if waiting is None:
            await self._insert(await self._fitting([new]))
        else:
            self.answers[new.id] = self._found_job(waiting)

    async def _fitting(self, group: Sequence[NewJob]) -> Sequence[NewJob]:
        """Answer for the jobs for which the queue has no room, unless their keys are held; return the others."""
        limit = self._queue.limits.max_pending
        if limit is None or not group:
            return group
        keyed = [new for new in group if new.spec.idempotency_key]
        if keyed:
            await self._answer_from(await self._named(keyed), keyed)
        wanted = [new for new in group if new.id not in self.answers]
        granted = max(await queues.take_room(self._executor, self._queue.name, len(wanted)), 0)
        for new in wanted[granted:]:
            self.answers[new.id] = QueueFull(queue=self._queue.name, limit=limit)
        return wanted[:granted]

    async def find(self, group: Sequence[NewJob]) -> None:
        """Answer for what `add` would not add: jobs whose keys are held, and all of a draining queue. Adds nothing."""
        keyed = [new for new in group if new.spec.idempotency_key]
        if keyed:
            await self._answer_from(await self._named(keyed), keyed)
        if self._queue.state is QueueState.DRAINING:
            for new in group:
                self.answers.setdefault(new.id, QueueDraining(queue=self._queue.name))

    async def _insert(self, group: Sequence[NewJob]) -> list[NewJob]:
        """Insert jobs and answer for them; return those whose keys are taken."""
        if not group:
            return []
        added = await jobs.insert(
            self._executor, self._queue.name, group, inline_limit=_INLINE_BYTES, window=self._window
        )
        for new in group:
            if new.id in added:
                self.answers[new.id] = self._made(new, added[new.id])
        return [new for new in group if new.id not in added]

    async def _without_held_keys(self, refused: Sequence[NewJob]) -> list[NewJob]:
        """Answer for the jobs whose keys are held, and free the keys that are held no more; return the others."""
        named = await self._named(refused)
        lapsed = [found for found in named.values() if not found.is_held]
        if lapsed:
            await keys.free(self._executor, self._queue.name, lapsed)
        await self._answer_from(named, refused)
        return [new for new in refused if new.id not in self.answers]

    async def _named(self, group: Sequence[NewJob]) -> dict[str, NamedKey]:
        wanted = [new.spec.idempotency_key for new in group]
        return await keys.get(self._executor, self._queue.name, wanted, window=self._window)

    async def _answer_from(self, named: dict[str, NamedKey], group: Sequence[NewJob]) -> None:
        held = {key: found for key, found in named.items() if found.is_held}
        found_jobs = await self._read({found.job_id for found in held.values()})
        for new in group:
            found = held.get(new.spec.idempotency_key)
            if found is not None and found.job_id in found_jobs:
                self.answers[new.id] = self._found(new, found, found_jobs[found.job_id])

    def _found(self, new: NewJob, found: NamedKey, job: Job) -> Enqueued | GosynqError:
        if found.fingerprint != new.fingerprint:
            return IdempotencyKeyReused(job_id=found.job_id, queue=self._queue.name)
        return self._found_job(job)

    def _found_job(self, job: Job) -> Enqueued:
        return Enqueued(job_id=job.id, status=job.status, deduplicated=True, job=job if self._with_job else None)

    async def _read(self, ids: set[JobId]) -> dict[JobId, Job]:
        if not ids:
            return {}
        rows = await jobs.get(self._executor, list(ids), whole=False)
        found = (job_of(row, self._queue) for row in rows)
        return {job.id: job for job in found}

    def _made(self, new: NewJob, added: Added) -> Enqueued:
        job = fresh_job(new, added, self._queue) if self._with_job else None
        return Enqueued(job_id=new.id, status=JobStatus.PENDING, deduplicated=False, job=job, begin=self._begin)
