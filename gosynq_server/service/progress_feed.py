"""The progress of running jobs, read once for everybody who watches it, and not stored."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from gosynq_server.domain.errors import GosynqError
from gosynq_server.store import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gosynq_server.domain.event import EventRow, Position
    from gosynq_server.domain.job import JobId
    from gosynq_server.service.event_tail import EventTail
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_READ_EVERY_SECONDS = 0.2
_REPORTED_WITHIN = timedelta(seconds=5)
_JOBS_AT_ONCE = 1000
_KEPT = 2000


class _Report(NamedTuple):
    """A report, told to those who know of the job's start: it is before ripe_at."""

    ripe_at: Position
    row: EventRow


class ProgressFeed:
    """Reads new progress while somebody follows, a few times a second, and keeps the last of it for a moment."""

    def __init__(self, database: Database, tail: EventTail) -> None:
        self._database = database
        self._tail = tail
        self._readers: dict[ProgressReader, Callable[[], None]] = {}
        self._somebody = asyncio.Event()
        self._told: dict[JobId, datetime] = {}
        self._reports: deque[_Report] = deque(maxlen=_KEPT)
        self._count = 0

    @contextmanager
    def followed(self, wake: Callable[[], None]) -> Iterator[ProgressReader]:
        """Follow inside the block; wake is called when there is something new."""
        reader = ProgressReader(self)
        self._readers[reader] = wake
        self._somebody.set()
        try:
            yield reader
        finally:
            del self._readers[reader]
            if not self._readers:
                self._somebody.clear()

    @property
    def count(self) -> int:
        """How many reports there have been."""
        return self._count

    def since(self, count: int) -> list[_Report]:
        """Return the reports behind so many, as far as they are kept."""
        missing = min(self._count - count, len(self._reports))
        return [self._reports[place] for place in range(len(self._reports) - missing, len(self._reports))]

    async def run(self) -> None:
        """Read while somebody follows, until cancelled."""
        while True:
            await self._somebody.wait()
            try:
                await self._read()
            except GosynqError as error:
                _log.warning("progress could not be read", extra={"error": str(error)})
            await asyncio.sleep(_READ_EVERY_SECONDS)

    async def _read(self) -> None:
        ripe_at = await self._tail.now()
        rows = await events.progress(self._database, within=_REPORTED_WITHIN, limit=_JOBS_AT_ONCE)
        fresh = [row for row in rows if self._told.get(row.job_ids[0]) != row.occurred_at]
        self._told = {row.job_ids[0]: row.occurred_at for row in rows}
        self._reports.extend(_Report(ripe_at, row) for row in fresh)
        self._count += len(fresh)
        if fresh:
            await self._tail.reach(ripe_at)
            for wake in self._readers.values():
                wake()


class ProgressReader:
    """What one watcher has not been given yet, beginning with nothing."""

    def __init__(self, feed: ProgressFeed) -> None:
        self._feed = feed
        self._given = feed.count

    def take(self, position: Position) -> list[EventRow]:
        """Return what may be told at a position, and not again."""
        reports = self._feed.since(self._given)
        ripe = [report.row for report in reports if report.ripe_at <= position]
        self._given = self._feed.count - len(reports) + len(ripe)
        return ripe
