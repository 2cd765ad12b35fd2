"""Group commit: calls that come at the same time share one statement and one commit."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from gosynq_server.domain.errors import GosynqError, ServerDraining

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

STEP_SECONDS = 0.001
_LINGER_SECONDS_EACH = 0.0001
_MEMORY_SECONDS = 0.05
_COMPANY = 3
_MAX_GROUP = 500
_WAYS = 4


class GroupCommit(Generic[Item, Answer]):
    """Collects what concurrent callers hand in and commits it together, one group at a time.

    A group that has to wait for somebody else's transaction, which holds a key of it, holds up nobody but itself: the
    next one sets out beside it after patience, as long as no more than four are under way.

    A call alone never waits. In a crowd a group lingers as long as callers keep coming, since those of the last groups
    are likely to be back by then: until it is as large as the largest of them, at most 0.1 ms for each of the crowd,
    which is about what it takes to hear of a call.
    All callers of a group are answered in one turn of the event loop, which costs the server half of what answering
    them one by one does.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | GosynqError]]],
        *,
        patience: timedelta = timedelta(milliseconds=100),
    ) -> None:
        self._commit = commit
        self._patience = patience
        self._free_ways = asyncio.Semaphore(_WAYS)
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._arrived = asyncio.Event()
        self._crowd = _Crowd()
        self._running = False

    async def submit(self, item: Item) -> Answer:
        """Commit an item with others and return its answer; raises what the commit raises or answers for it."""
        if not self._running:
            raise ServerDraining
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        """Commit groups until cancelled; what waits then is refused."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as groups:
                while True:
                    await self._arrived.wait()
                    await self._linger()
                    await self._free_ways.acquire()
                    await self._set_out(groups)
        finally:
            self._running = False
            self._refuse([answer for _, answer in self._waiting], ServerDraining())

    async def _set_out(self, groups: asyncio.TaskGroup) -> None:
        """Commit the next group, and wait for it with patience."""
        committing = groups.create_task(self._commit_group())
        committing.add_done_callback(lambda _: self._free_ways.release())
        done, _ = await asyncio.wait({committing}, timeout=self._patience.total_seconds())
        for group in done:
            self._crowd.add(group.result())

    async def _linger(self) -> None:
        """Wait for company, as long as some comes and at most as long as the crowd takes to be heard."""
        end = time.monotonic() + self._crowd.size() * _LINGER_SECONDS_EACH
        everybody = self._crowd.largest_group()
        heard = 0
        while heard < len(self._waiting) < everybody and time.monotonic() < end:
            heard = len(self._waiting)
            await asyncio.sleep(STEP_SECONDS)

    async def _commit_group(self) -> int:
        group, self._waiting = self._waiting[:_MAX_GROUP], self._waiting[_MAX_GROUP:]
        if not self._waiting:
            self._arrived.clear()
        callers = [answer for _, answer in group]
        try:
            answers = await self._commit([item for item, _ in group])
        except GosynqError as error:
            self._refuse(callers, error)
        except Exception as error:  # noqa: BLE001 - a loop's edge: the callers get it, the next group goes on
            _log.exception("a group could not be committed")
            self._refuse(callers, error)
        except BaseException:
            self._refuse(callers, ServerDraining())
            raise
        else:
            _answer(callers, answers)
        return len(group)

    @staticmethod
    def _refuse(callers: Sequence[asyncio.Future[Answer]], error: Exception) -> None:
        for caller in callers:
            if not caller.done():
                caller.set_exception(error)


class _Crowd:
    """How many callers were answered lately in company, and so may be back soon."""

    def __init__(self) -> None:
        self._groups: deque[tuple[float, int]] = deque()
        self._size = 0

    def add(self, callers: int) -> None:
        """Take in a group that was answered now; one or two are no company."""
        if callers >= _COMPANY:
            self._groups.append((time.monotonic(), callers))
            self._size += callers

    def size(self) -> int:
        """Return how many there are, forgetting those of long ago."""
        forgotten = time.monotonic() - _MEMORY_SECONDS
        while self._groups and self._groups[0][0] < forgotten:
            self._size -= self._groups.popleft()[1]
        return self._size

    def largest_group(self) -> int:
        """Return how many there were at once, at most."""
        return max((callers for _, callers in self._groups), default=0)


def _answer(callers: Sequence[asyncio.Future[Answer]], answers: Sequence[Answer | GosynqError]) -> None:
    for caller, answer in zip(callers, answers, strict=True):
        if caller.done():
            continue
        if isinstance(answer, GosynqError):
            caller.set_exception(answer)
        else:
            caller.set_result(answer)
