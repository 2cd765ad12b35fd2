"""The ticker: gives events their order, tick by tick. Every server ticks; of rivals the database takes one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError
from gosynq_server.service.wakeups import Signal
from gosynq_server.store import events

if TYPE_CHECKING:
    from gosynq_server.domain.event import Position
    from gosynq_server.store.database import Database

INTERVAL = timedelta(milliseconds=25)
_LOOK_EVERY = timedelta(seconds=1)
_AT_ONCE = timedelta()


class Ticker:
    """Makes ticks soon after something happened here, and looks once a second for what happened where nobody tells.

    ticked is set when there may be a new one, made by whomever. end is behind the last tick that is known of, or None
    as long as there is none: every event that is committed after it was read is behind it.
    """

    def __init__(self, database: Database, *, ticked: Signal) -> None:
        self._database = database
        self._ticked = ticked
        self.signal = Signal()
        self.end: Position | None = None
        self._turn = asyncio.Lock()
        self._begun = 0
        self._now: tuple[int, Position | GosynqError] | None = None

    async def run_once(self) -> timedelta:
        """Make a tick, wait until the next may be made, and return how long it is until the next look."""
        await self._tick(INTERVAL)
        await asyncio.sleep(INTERVAL.total_seconds())
        return _LOOK_EVERY

    async def now(self) -> Position:
        """Return a position behind everything that was committed before the call. Raises GosynqError.

        Calls share a tick that begins after they came, or its failure: one that has begun may not see what was
        committed since, and where the database does not answer they would wait for it one after the other.
        """
        asked = self._begun
        async with self._turn:
            if self._now is None or self._now[0] <= asked:
                self._begun += 1
                self._now = (self._begun, await self._tick_or_failure())
            answer = self._now[1]
        if isinstance(answer, GosynqError):
            raise answer
        return answer

    async def _tick_or_failure(self) -> Position | GosynqError:
        try:
            return await self._tick(_AT_ONCE)
        except GosynqError as error:
            return error

    async def _tick(self, min_age: timedelta) -> Position:
        ticked = await events.make_tick(self._database, min_age=min_age)
        if ticked.is_young:
            self.signal.set()
        self.end = ticked.end
        self._ticked.set()
        return ticked.end
