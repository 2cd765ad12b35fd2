"""Deleting jobs of a queue, or all of it: some at a time, so that no transaction and no lock lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.errors import DatabaseBusy, EtagMismatch, QueueNotEmpty, QueueNotFound
from gosynq_server.domain.job import JobStatus, Stage
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.domain.queue import QueueState
from gosynq_server.store import queue_counts, queue_jobs, queue_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from gosynq_server.domain.job import JobId
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database, Executor

_BATCH = 1000
_EVERY_STATUS = frozenset(JobStatus)
_STAGES = {
    Stage.SCHEDULED: frozenset({JobStatus.PENDING}),
    Stage.READY: frozenset({JobStatus.PENDING}),
    Stage.RUNNING: frozenset({JobStatus.PROCESSING}),
    Stage.FINISHED: TERMINAL,
}
"""The stages in the order in which a job goes through them, with the statuses that it may have there."""


class QueueRemoval:
    """Deletes jobs, each batch with its events in a transaction of its own, and queues when they are empty."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups

    async def purge(self, name: str, statuses: Collection[JobStatus], *, limit: int) -> int:
        """Delete up to limit jobs of a queue by status, the oldest of a stage first; return how many."""
        await self._require(name)
        deleted = 0
        async for batch in self._purged(name, statuses, limit=limit):
            deleted += len(batch)
        return deleted

    async def count(self, name: str, statuses: Collection[JobStatus]) -> int:
        """Return how many jobs of a queue have one of the statuses; raises QueueNotFound and DatabaseBusy."""
        await self._require(name)
        return await _count(self._database, name, statuses)

    async def delete(self, name: str, *, force: bool, etag: str, allow_missing: bool) -> None:
        """Delete a queue, with its jobs if forced, and return when it is gone.

        Raises QueueNotFound unless missing is allowed, QueueNotEmpty and EtagMismatch.
        """
        try:
            gone = await self._begin(name, force=force, etag=etag)
        except QueueNotFound:
            if allow_missing:
                return
            raise
        self._wakeups.queue_changed(name)
        if not gone:
            await self.finish(name)

    async def finish(self, name: str) -> None:
        """Delete what is left of a queue that is being deleted."""
        is_gone = False
        while not is_gone:
            deleted = 0
            async for batch in self._purged(name, _EVERY_STATUS):
                deleted += len(batch)
            # Jobs that moved on meanwhile are found by another walk.
            is_gone = not deleted and await self._delete_if_empty(name)
        self._wakeups.queue_changed(name)

    async def _require(self, name: str) -> None:
        if await queue_settings.show(self._database, name) is None:
            raise QueueNotFound(queue=name)

    async def _begin(self, name: str, *, force: bool, etag: str) -> bool:
        """Delete a queue without jobs, or mark it; say whether it is gone."""
        async with self._database.transaction() as transaction:
            await queue_settings.halt_leases(transaction, name)
            details = await queue_settings.lock(transaction, name)
            if details is None:
                raise QueueNotFound(queue=name)
            if details.state is QueueState.DELETING:
                return False
            if etag not in {"", details.etag}:
                raise EtagMismatch(etag=details.etag)
            if force:
                await queue_settings.set_deleting(transaction, name)
                return False
            if jobs := await _count(transaction, name, _EVERY_STATUS):
                raise QueueNotEmpty(queue=name, jobs=jobs)
            await queue_settings.delete(transaction, name)
        return True

    async def _delete_if_empty(self, name: str) -> bool:
        async with self._database.transaction() as transaction:
            if await queue_settings.lock(transaction, name) is None:
                return True
            if await queue_jobs.has_active(transaction, name):
                return False
            await queue_settings.delete(transaction, name)
        return True

    async def _purged(
        self, name: str, statuses: Collection[JobStatus], *, limit: int | None = None
    ) -> AsyncIterator[Sequence[JobId]]:
        """Give the jobs that were deleted, batch by batch, until the limit or the end."""
        for stage, found_there in _STAGES.items():
            if found_there.isdisjoint(statuses):
                continue
            last: JobId | None = queue_jobs.BEFORE_ALL
            while last is not None and limit != 0:
                batch = _BATCH if limit is None else min(limit, _BATCH)
                purged = await queue_jobs.purge(self._database, name, stage, statuses=statuses, after=last, limit=batch)
                last = purged.last
                limit = None if limit is None else limit - len(purged.ids)
                self._tell(stage, purged.ids)
                yield purged.ids

    def _tell(self, stage: Stage, ids: Sequence[JobId]) -> None:
        if stage is Stage.RUNNING:
            for job in ids:
                self._wakeups.cancel_requested(job, "deleted", lease_lost=True)
        self._wakeups.jobs_finished(ids)


async def _count(executor: Executor, name: str, statuses: Collection[JobStatus]) -> int:
    totals = await queue_counts.totals(executor, [name])
    if totals is None:
        raise DatabaseBusy
    return sum(total.counts[status] for total in totals for status in statuses)
