"""Adding jobs: one by one, as a batch, or as items that stand for themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import FieldViolation, GosynqError, ValidationFailed
from gosynq_server.domain.job import JobId, JobSpec
from gosynq_server.service.adding import Enqueued, QueueAdder, fresh_job, needs_transaction, new_job
from gosynq_server.service.group_commit import GroupCommit
from gosynq_server.store.jobs import Added, NewJob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from gosynq_server.domain.queue import Queue
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.ticker import Ticker
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database, Executor

__all__ = ["Enqueued", "Enqueuer"]


class Enqueuer:
    """Adds jobs; every answer is given after the commit."""

    def __init__(
        self, database: Database, queues: Queues, wakeups: Wakeups, ticker: Ticker, *, window: timedelta
    ) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._ticker = ticker
        self._window = window
        self._group_commit: GroupCommit[JobSpec, Enqueued] = GroupCommit(self._commit_group)

    async def run(self) -> None:
        """Commit what concurrent calls of enqueue hand in, until cancelled."""
        await self._group_commit.run()

    async def enqueue(self, spec: JobSpec) -> Enqueued:
        """Add one job, sharing a commit with concurrent calls; the answer holds the job and where its events begin."""
        return await self._group_commit.submit(spec)

    async def check(self, spec: JobSpec) -> Enqueued:
        """Check a spec as enqueue would and add nothing.

        The answer has no id; it holds the job that its key has made, or the one that it would make, without an id.
        """
        queue = await self._queues.get(spec.queue)
        new = replace(new_job(spec, queue), id=JobId(""))
        adder = self._adder(self._database, queue, with_job=True)
        await adder.find([new])
        if new.id in adder.answers:
            return replace(_or_raise(adder.answers[new.id]), job_id="")
        return _to_be(new, queue)

    async def enqueue_all(self, specs: Sequence[JobSpec]) -> list[Enqueued]:
        """Add jobs in one transaction, all or none, answered in order; raises the first refusal."""
        prepared = [(await self._queue_of(spec), spec) for spec in specs]
        accepted = [(queue, new_job(spec, queue)) for queue, spec in prepared]
        _refuse_clashing_keys(accepted)
        answers: dict[JobId, Enqueued] = {}
        async with self._database.transaction() as transaction:
            for queue, group in _by_queue(accepted):
                adder = self._adder(transaction, queue)
                await adder.add(group)
                answers.update((job, _or_raise(answer)) for job, answer in adder.answers.items())
        self.wake([new.spec for _, new in accepted])
        return [answers[new.id] for _, new in accepted]

    async def enqueue_each(self, specs: Sequence[JobSpec], *, with_job: bool = False) -> list[Enqueued | GosynqError]:
        """Add jobs each for itself, answered in order by what became of it or why it was refused."""
        prepared = [await self._prepare(spec) for spec in specs]
        accepted = [made for made in prepared if not isinstance(made, GosynqError)]
        answers: dict[JobId, Enqueued | GosynqError] = {}
        for queue, group in _by_queue(accepted):
            answers.update(await self._add_or_refuse(queue, group, with_job=with_job))
        self.wake([new.spec for _, new in accepted])
        return [made if isinstance(made, GosynqError) else answers[made[1].id] for made in prepared]

    async def add_each(self, transaction: Executor, specs: Sequence[JobSpec]) -> list[Enqueued | GosynqError]:
        """Add jobs in a transaction of the caller's, answered in order by what became of each or why it was refused.

        Whoever commits it calls `wake` then. Raises what a transaction can't outlive.
        """
        prepared = [await self._prepare(spec) for spec in specs]
        accepted = [made for made in prepared if not isinstance(made, GosynqError)]
        answers: dict[JobId, Enqueued | GosynqError] = {}
        for queue, group in _by_queue(accepted):
            adder = self._adder(transaction, queue)
            await adder.add(group)
            answers.update(adder.answers)
        return [made if isinstance(made, GosynqError) else answers[made[1].id] for made in prepared]

    def wake(self, specs: Collection[JobSpec]) -> None:
        """Tell of jobs that have been added."""
        held = {spec.queue for spec in specs if spec.waits_for_key}
        later = {spec.queue for spec in specs if spec.run_at or spec.delay}
        for name in {spec.queue for spec in specs}:
            self._wakeups.jobs_ready(name)
        for name in held:
            self._wakeups.jobs_held(name)
        for name in later:
            self._wakeups.jobs_scheduled(name)

    async def _commit_group(self, specs: Sequence[JobSpec]) -> list[Enqueued | GosynqError]:
        return await self.enqueue_each(specs, with_job=True)

    async def _prepare(self, spec: JobSpec) -> tuple[Queue, NewJob] | GosynqError:
        try:
            queue = await self._queue_of(spec)
            return queue, new_job(spec, queue)
        except GosynqError as refusal:
            return refusal

    async def _queue_of(self, spec: JobSpec) -> Queue:
        return await self._queues.get_or_make(spec.queue)

    async def _add_or_refuse(
        self, queue: Queue, group: Sequence[NewJob], *, with_job: bool
    ) -> dict[JobId, Enqueued | GosynqError]:
        if needs_transaction(queue, group):
            return await self._add_together(queue, group, with_job=with_job)
        adder = self._adder(self._database, queue, with_job=with_job)
        try:
            await adder.add(group)
        except GosynqError as refusal:
            return dict.fromkeys((new.id for new in group), refusal) | adder.answers
        return adder.answers

    async def _add_together(
        self, queue: Queue, group: Sequence[NewJob], *, with_job: bool
    ) -> dict[JobId, Enqueued | GosynqError]:
        try:
            async with self._database.transaction() as transaction:
                adder = self._adder(transaction, queue, with_job=with_job)
                await adder.add(group)
        except GosynqError as refusal:
            return dict.fromkeys((new.id for new in group), refusal)
        return adder.answers

    def _adder(self, executor: Executor, queue: Queue, *, with_job: bool = False) -> QueueAdder:
        # Read before the commit: what a tick that is known by then sees, was committed before.
        begin = self._ticker.end if with_job else None
        return QueueAdder(executor, queue, window=self._window, with_job=with_job, begin=begin)


def _to_be(new: NewJob, queue: Queue) -> Enqueued:
    now = datetime.now(UTC)
    run_at = new.spec.run_at or now + (new.spec.delay or timedelta())
    job = fresh_job(new, Added(created_at=now, run_at=run_at), queue)
    return Enqueued(job_id="", status=job.status, deduplicated=False, job=job)


def _by_queue(accepted: Iterable[tuple[Queue, NewJob]]) -> Iterator[tuple[Queue, list[NewJob]]]:
    """Group jobs by queue, in the order of the names, so that rival transactions take locks in one order."""
    groups: dict[str, tuple[Queue, list[NewJob]]] = {}
    for queue, new in accepted:
        groups.setdefault(queue.name, (queue, []))[1].append(new)
    yield from (groups[name] for name in sorted(groups))


def _refuse_clashing_keys(accepted: Sequence[tuple[Queue, NewJob]]) -> None:
    """Raise ValidationFailed where two specs of one batch share a key and differ: neither is there to be named yet."""
    seen: dict[tuple[str, str], tuple[int, bytes | None]] = {}
    for place, (queue, new) in enumerate(accepted):
        if not new.spec.idempotency_key:
            continue
        first, fingerprint = seen.setdefault((queue.name, new.spec.idempotency_key), (place, new.fingerprint))
        if fingerprint != new.fingerprint:
            description = f"is that of jobs[{first}], which has another spec"
            raise ValidationFailed((FieldViolation(field=f"jobs[{place}].idempotency_key", description=description),))


def _or_raise(answer: Enqueued | GosynqError) -> Enqueued:
    if isinstance(answer, GosynqError):
        raise answer
    return answer
