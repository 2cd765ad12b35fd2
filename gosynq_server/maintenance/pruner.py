"""The pruner: partitions are made for the days to come, and days that are past are dropped whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId
from gosynq_server.store import events, partitions, queue_counts
from gosynq_server.store.partitions import Partitioned

if TYPE_CHECKING:
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(minutes=10)
_BATCH = 1000
_COMMITTED_LATE = timedelta(minutes=5)
"""How long after it happened an event may be committed, at most, to be gone from all that can be read with its day."""
_FIRST_ID = JobId("00000000-0000-0000-0000-000000000000")
_DAYS_AHEAD = {Partitioned.FINISHED: range(1, 17), Partitioned.EVENTS: range(2)}


class Pruner:
    """Makes and drops the day partitions of finished jobs and events, by the database's day in UTC."""

    def __init__(self, database: Database, *, event_retention: timedelta) -> None:
        self._database = database
        self._event_days = timedelta(days=max(1, -(-event_retention // timedelta(days=1))))

    async def run_once(self) -> timedelta:
        """Make what is needed, drop what is past; return how long it is until the next look."""
        now: datetime = await self._database.fetch_value("database_time")
        today = now.astimezone(UTC).date()
        for table, ahead in _DAYS_AHEAD.items():
            for days in ahead:
                await partitions.make(self._database, table, today + timedelta(days=days))
        # What is not counted by now would never be: no server may have been there for days.
        await queue_counts.add(self._database, min_age=timedelta())
        await self._prune_jobs(before=today + timedelta(days=1))
        await self._prune_events(before=today - self._event_days)
        await queue_counts.prune(self._database)
        return _LOOK_EVERY

    async def _prune_jobs(self, *, before: date) -> None:
        last: JobId | None = _FIRST_ID
        while last is not None:
            last = await partitions.prune_jobs_with_history(self._database, before=before, after=last, limit=_BATCH)
        for day in await partitions.days(self._database, Partitioned.FINISHED):
            if day < before:
                await partitions.detach(self._database, day)
        for name in await partitions.detached(self._database):
            await partitions.drop_detached(self._database, name)
        while await partitions.prune_jobs_without_day(self._database, before=before, limit=_BATCH) == _BATCH:
            pass

    async def _prune_events(self, *, before: date) -> None:
        # First, and so that none is left behind which there were events that go now: a reader could miss them.
        while await events.prune_ticks(self._database, before=before, late=_COMMITTED_LATE, limit=_BATCH) == _BATCH:
            pass
        for day in await partitions.days(self._database, Partitioned.EVENTS):
            if day < before:
                await partitions.drop(self._database, Partitioned.EVENTS, day)
        await partitions.prune_events_without_day(self._database, before=before)
