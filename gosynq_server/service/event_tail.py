"""The tail: the newest events in memory, read once for everybody on this server."""

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_left
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import CursorExpired, CursorInvalid, GosynqError
from gosynq_server.domain.event import EventFilter
from gosynq_server.service.interests import Interests
from gosynq_server.store import events
from gosynq_server.store.events import Stretch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from gosynq_server.domain.event import EventRow, Position
    from gosynq_server.service.interests import Interest
    from gosynq_server.service.ticker import Ticker
    from gosynq_server.service.wakeups import Signal
    from gosynq_server.store.database import Database

    ObserveRead = Callable[[int, timedelta], None]
    """Told of events that were read: how many, and how long ago the last of them happened."""

_log = logging.getLogger(__name__)

KEPT_EVENTS = 20_000
_ROWS_AT_ONCE = 200
_LOOK_EVERY_SECONDS = 0.25
_AFTER_FAILURE_SECONDS = 1.0
_EVERYTHING = EventFilter()


def _observe_nothing(count: int, age: timedelta) -> None:
    """Stand in where nobody counts."""


class EventTail:
    """Reads events as they get their order, while somebody follows, and keeps the last of them.

    Followers read at their own pace: nothing is kept for any of them, and one that stops holds nobody up. What it
    missed beyond what is kept it has to read from the table. followers is how many there are.
    """

    def __init__(
        self,
        database: Database,
        ticker: Ticker,
        *,
        ticked: Signal,
        observe: ObserveRead = _observe_nothing,
        kept_events: int = KEPT_EVENTS,
    ) -> None:
        self._database = database
        self._ticker = ticker
        self._observe = observe
        self._kept_events = kept_events
        self.followers = 0
        self._rows: list[EventRow] = []
        self._count = 0
        self._begin: Position | None = None
        self._end: Position | None = None
        self._grown = asyncio.Event()
        self._listeners: list[Callable[[Sequence[EventRow]], None]] = []
        self._interests = Interests()
        self._ticked = ticked

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow inside the block: every event that is committed from its begin on comes by. Raises GosynqError."""
        self.followers += 1
        try:
            if self._end is None:
                now = await self._ticker.now()
                self._begin, self._end = self._begin or now, self._end or now
                self._ticked.set()
            yield
        finally:
            self.followers -= 1
            if not self.followers:
                self._forget()

    def tell(self, listener: Callable[[Sequence[EventRow]], None]) -> None:
        """Tell a listener of every row that comes by from now on."""
        self._listeners.append(listener)

    async def now(self) -> Position:
        """Return a position behind everything that was committed before the call. Raises GosynqError."""
        return await self._ticker.now()

    def read(self, position: Position) -> Stretch | None:
        """Return what is kept from a position on, or None where that is not all that there is."""
        if self._begin is None or self._end is None or position < self._begin:
            return None
        if position >= self._end:
            return Stretch(rows=(), end=position)
        first = bisect_left(self._rows, (position.tick, position.row), key=_place_of)
        rows = self._rows[first : first + _ROWS_AT_ONCE]
        is_all = first + len(rows) == len(self._rows)
        return Stretch(rows=rows, end=self._end if is_all else rows[-1].end)

    def interest(self, wanted: EventFilter) -> AbstractContextManager[Interest]:
        """Say inside the block what a follower wants, which it is woken for."""
        return self._interests.register(wanted, end=self.end)

    @property
    def end(self) -> Position:
        """Where what has come by ends; only while somebody follows."""
        if self._end is None:
            raise RuntimeError("nobody follows")
        return self._end

    async def wait(self, position: Position, seconds: float) -> None:
        """Wait until there is more than up to a position, at most so long."""
        if self._end is not None and position < self._end:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._grown.wait()
        except TimeoutError:
            return

    async def reach(self, position: Position) -> None:
        """Wait until everything up to a position has come by; not at all where nobody follows."""
        while self._end is not None and self._end < position:
            await self._grown.wait()

    async def run(self) -> None:
        """Read as events come, until cancelled."""
        while True:
            await self._ticked.wait(_LOOK_EVERY_SECONDS if self.followers else 3600)
            try:
                while await self._read_on():
                    pass
            except GosynqError as error:
                _log.warning("events could not be read", extra={"error": str(error)})
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)

    async def _read_on(self) -> bool:
        """Read some more; say whether there may be more still."""
        begin = self._end
        if begin is None:
            return False
        try:
            stretch = await events.read(self._database, begin, _EVERYTHING, limit=_ROWS_AT_ONCE)
        except (CursorExpired, CursorInvalid):
            await self._begin_anew(begin)
            raise
        if self._end != begin or stretch.end == begin:
            return False
        self._append(stretch.rows)
        self._end = stretch.end
        self._tell(stretch.rows)
        return len(stretch.rows) == _ROWS_AT_ONCE

    def _append(self, rows: Sequence[EventRow]) -> None:
        self._rows += rows
        count = sum(len(row.job_ids) for row in rows)
        self._count += count
        if rows:
            self._observe(count, datetime.now(UTC) - rows[-1].occurred_at)
        dropped = 0
        while self._count > self._kept_events:
            self._count -= len(self._rows[dropped].job_ids)
            self._begin = self._rows[dropped].end
            dropped += 1
        del self._rows[:dropped]

    def _tell(self, rows: Sequence[EventRow]) -> None:
        for listener in self._listeners:
            listener(rows)
        self._interests.wake(rows, end=self.end)
        self._end_waits()

    async def _begin_anew(self, lost: Position) -> None:
        """Go on with what is committed from now on: the database was restored, or its events are gone by now."""
        now = await self._ticker.now()
        if self._end == lost:
            self._forget()
            self._begin = self._end = now
            self._interests.lose()

    def _forget(self) -> None:
        self._rows, self._count, self._begin, self._end = [], 0, None, None
        self._end_waits()

    def _end_waits(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


def _place_of(row: EventRow) -> tuple[int, int]:
    return (row.base.tick, row.id)
