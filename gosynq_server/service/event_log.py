"""The log: every stored event from any position on, out of memory where the tail keeps it, else out of the table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gosynq_server.domain.cursors import decode_cursor, encode_cursor
from gosynq_server.domain.errors import CursorExpired, CursorInvalid
from gosynq_server.store import events

if TYPE_CHECKING:
    from datetime import datetime

    from gosynq_server.domain.event import EventFilter, Position
    from gosynq_server.service.event_tail import EventTail
    from gosynq_server.store.database import Database
    from gosynq_server.store.events import Stretch

_ROWS_AT_ONCE = 200
_READERS = 3
"""How many read from the table at once: they must leave the database to those who write."""


class EventLog:
    """Finds positions, and reads from them."""

    def __init__(self, database: Database, tail: EventTail) -> None:
        self._database = database
        self._tail = tail
        self._turns = asyncio.Semaphore(_READERS)

    async def position_of(self, cursor: str) -> Position:
        """Return the position of a cursor; raises CursorInvalid and CursorExpired."""
        position = decode_cursor(cursor)
        await self.check(position)
        return position

    async def check(self, position: Position) -> None:
        """Raise CursorInvalid or CursorExpired where nothing can be read from a position."""
        is_known = await events.known(self._database, position)
        if is_known is None:
            raise await self._expired()
        if not is_known:
            raise CursorInvalid

    async def oldest(self) -> Position:
        """Return where the oldest events that are kept begin."""
        return await events.oldest(self._database)

    async def begin_of(self, moment: datetime) -> Position:
        """Return a position before all events of a moment or later that are kept."""
        return await events.begin_of(self._database, moment)

    async def read(self, position: Position, wanted: EventFilter) -> Stretch:
        """Return what follows a position, or nothing with the position itself; raises CursorExpired.

        Rows may be left out that hold nothing wanted; others may still hold events that are not wanted.
        """
        kept = self._tail.read(position)
        if kept is not None:
            return kept
        async with self._turns:
            try:
                return await events.read(self._database, position, wanted, limit=_ROWS_AT_ONCE)
            except CursorExpired:
                raise await self._expired() from None

    async def _expired(self) -> CursorExpired:
        return CursorExpired(oldest_cursor=encode_cursor(await self.oldest()))
