"""What can be done with many jobs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.filters import EVERY_STATUS
from gosynq_server.domain.job import JobStatus, Stage
from gosynq_server.store import jobs
from gosynq_server.store.jobs import Kept, Start

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from gosynq_server.domain.bulk import Selected
    from gosynq_server.domain.job import JobId
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_ENDED_BADLY = (JobStatus.FAILED, JobStatus.CANCELLED)
_DEAD = (JobStatus.FAILED,)


class Cancel:
    """Cancels what is pending, and asks for the cancel of what is processing."""

    name = "cancel"
    among = EVERY_STATUS

    def __init__(self, database: Database, queues: Queues, wakeups: Wakeups, *, window: timedelta, reason: str) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._window = window
        self._reason = reason

    def takes(self, job: Selected) -> bool:
        """Judge whether a job can be cancelled, and was not asked for before."""
        return job.status is JobStatus.PENDING or (job.status is JobStatus.PROCESSING and not job.cancel_requested)

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Need nothing."""

    async def act(self, queue: str, stage: Stage, ids: Sequence[JobId]) -> Collection[JobId]:
        """Cancel jobs of one queue and stage."""
        if stage is Stage.RUNNING:
            return await self._request(queue, ids)
        kept = Kept(retention=(await self._queues.get(queue)).defaults.retention, window=self._window)
        done = await jobs.cancel_pending(self._database, queue, ids, stage=stage, kept=kept, reason=self._reason)
        self._wakeups.jobs_finished(done)
        return done

    async def _request(self, queue: str, ids: Sequence[JobId]) -> Collection[JobId]:
        asked = await jobs.request_cancel(self._database, queue, ids, reason=self._reason)
        done = [job for job, is_new in asked.items() if is_new]
        for job in done:
            self._wakeups.cancel_requested(job, self._reason)
        return done


class Retry:
    """Makes failed and cancelled jobs pending."""

    name = "retry"
    among = EVERY_STATUS

    def __init__(self, database: Database, wakeups: Wakeups, *, run_at: datetime | None) -> None:
        self._database = database
        self._wakeups = wakeups
        self._start = Start(run_at=run_at)

    def takes(self, job: Selected) -> bool:
        """Judge whether a job ended badly."""
        return job.status in _ENDED_BADLY

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Need nothing."""

    async def act(self, queue: str, stage: Stage, ids: Sequence[JobId]) -> Collection[JobId]:  # noqa: ARG002 - one stage
        """Retry jobs of one queue."""
        done = await jobs.retry(self._database, queue, ids, start=self._start, statuses=_ENDED_BADLY)
        self._wakeups.jobs_scheduled(queue)
        return done


class Delete:
    """Deletes what is not processing."""

    name = "delete"
    among = EVERY_STATUS

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups

    def takes(self, job: Selected) -> bool:
        """Judge whether a job is not being processed."""
        return job.status is not JobStatus.PROCESSING

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Need nothing."""

    async def act(self, queue: str, stage: Stage, ids: Sequence[JobId]) -> Collection[JobId]:
        """Delete jobs of one queue and stage."""
        if stage is Stage.FINISHED:
            done = await jobs.delete_finished(self._database, queue, ids, statuses=EVERY_STATUS)
        else:
            done = await jobs.delete_pending(self._database, queue, ids, stage=stage)
        self._wakeups.jobs_finished(done)
        return done


class Purge:
    """Deletes dead letters."""

    name = "purge"
    among = _DEAD

    def __init__(self, database: Database) -> None:
        self._database = database

    def takes(self, job: Selected) -> bool:
        """Judge whether a job is a dead letter."""
        return job.status is JobStatus.FAILED

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Need nothing."""

    async def act(self, queue: str, stage: Stage, ids: Sequence[JobId]) -> Collection[JobId]:  # noqa: ARG002 - one stage
        """Delete dead letters of one queue."""
        return await jobs.delete_finished(self._database, queue, ids, statuses=_DEAD)


class Redrive:
    """Makes dead letters pending, in their own queue or in another one, their starts spread evenly."""

    name = "redrive"
    among = _DEAD

    def __init__(
        self, database: Database, wakeups: Wakeups, *, target: str, run_at: datetime | None, spread: timedelta
    ) -> None:
        """Redrive into a target, empty being each job's own queue; run_at None is now."""
        self._database = database
        self._wakeups = wakeups
        self._target = target
        self._spread = spread
        self._start = Start(run_at=run_at)

    def takes(self, job: Selected) -> bool:
        """Judge whether a job is a dead letter."""
        return job.status is JobStatus.FAILED

    async def prepare(self, jobs: Sequence[JobId]) -> None:
        """Give each job its part of the time over which they are spread."""
        if not self._spread or not jobs:
            return
        # Read once: each chunk has a present of its own.
        run_at = self._start.run_at or await self._database.fetch_value("database_time")
        step = self._spread / len(jobs)
        self._start = Start(run_at=run_at, delays={job: step * place for place, job in enumerate(jobs)})

    async def act(self, queue: str, stage: Stage, ids: Sequence[JobId]) -> Collection[JobId]:  # noqa: ARG002 - one stage
        """Redrive dead letters of one queue."""
        target = self._target or queue
        if target == queue:
            done = await jobs.retry(self._database, queue, ids, start=self._start, statuses=_DEAD)
        else:
            done = await jobs.move_dead_letters(self._database, queue, ids, start=self._start, target=target)
        self._wakeups.jobs_scheduled(target)
        return done
