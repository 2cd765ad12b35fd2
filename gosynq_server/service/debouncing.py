"""Adding a job under a debounce key: where one waits under that key already, that one is kept, replaced or put off."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gosynq_server.domain.errors import DatabaseBusy
from gosynq_server.domain.job import DebounceMode, Job, JobStatus
from gosynq_server.store import debounce, jobs
from gosynq_server.store.records import job_of

if TYPE_CHECKING:
    from datetime import datetime

    from gosynq_server.domain.job import JobId, JobSpec
    from gosynq_server.domain.queue import Queue
    from gosynq_server.store.database import Executor
    from gosynq_server.store.jobs import NewJob

_TRIES = 20


class Debouncer:
    """Looks after the debounce keys of one queue, inside a transaction, which holds each key until its commit."""

    def __init__(self, transaction: Executor, queue: Queue, *, inline_limit: int) -> None:
        self._transaction = transaction
        self._queue = queue
        self._inline_limit = inline_limit

    async def settle(self, new: NewJob) -> Job | None:
        """Do with the job that waits what the spec says, and return it; where none waits the new one has the key: None.

        Raises DatabaseBusy where the waiting job moves too fast.
        """
        named = await debounce.take(self._transaction, self._queue.name, new.spec.debounce_key, new.id)
        if named == new.id:
            return None
        for _ in range(_TRIES):
            job = await self._waiting(named)
            if job is None:
                await debounce.pass_on(self._transaction, self._queue.name, new.spec.debounce_key, new.id)
                return None
            if await self._act(job, new):
                return await self._waiting(named)
        raise DatabaseBusy

    async def _waiting(self, job: JobId) -> Job | None:
        rows = await jobs.get(self._transaction, [job], whole=False)
        found = job_of(rows[0], self._queue) if rows else None
        return found if found and found.status is JobStatus.PENDING and not found.lease_seq else None

    async def _act(self, job: Job, new: NewJob) -> bool:
        """Do it, unless the job has moved on."""
        match new.spec.debounce_mode:
            case DebounceMode.KEEP:
                return True
            case DebounceMode.REPLACE:
                return await jobs.replace(
                    self._transaction, self._queue.name, job.id, new, inline_limit=self._inline_limit
                )
            case DebounceMode.RESCHEDULE:
                return await jobs.reschedule(
                    self._transaction, self._queue.name, job.id, stage=job.stage, run_at=await self._start(new.spec)
                )
            case _:
                assert_never(new.spec.debounce_mode)

    async def _start(self, spec: JobSpec) -> datetime | None:
        if spec.delay is None:
            return spec.run_at
        now: datetime = await self._transaction.fetch_value("database_time")
        return now + spec.delay
