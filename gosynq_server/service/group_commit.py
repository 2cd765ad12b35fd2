"""Group commit: calls that come at the same time share one statement and one commit."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from gosynq_server.domain.errors import GosynqError, ServerDraining

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

_LINGER_SECONDS = ((40, 0.005), (4, 0.002))
"""How long to linger in a crowd of at least so many."""
_FADING = 0.9
_QUIET_SECONDS = 0.05
_MAX_GROUP = 500


class GroupCommit(Generic[Item, Answer]):
    """Collects what concurrent callers hand in and commits it together, one group at a time.

    A call alone never waits: only in a crowd does a group linger for some milliseconds, since the callers of the last
    ones are likely to be back by then. A crowd is as large as its largest group was lately, and gone after a pause.
    All callers of a group are answered in one turn of the event loop, which costs the server half of what answering
    them one by one does.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | GosynqError]]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._arrived = asyncio.Event()
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
        crowd = 0.0
        try:
            while True:
                if await self._wait_for_arrival() > _QUIET_SECONDS:
                    crowd = 0.0
                await _linger(crowd)
                crowd = max(await self._commit_group(), crowd * _FADING)
        finally:
            self._running = False
            self._refuse([answer for _, answer in self._waiting], ServerDraining())

    async def _wait_for_arrival(self) -> float:
        """Wait until somebody waits; return for how many seconds nobody did."""
        began = time.monotonic()
        await self._arrived.wait()
        return time.monotonic() - began

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


async def _linger(crowd: float) -> None:
    for size, seconds in _LINGER_SECONDS:
        if crowd >= size:
            await asyncio.sleep(seconds)
            return


def _answer(callers: Sequence[asyncio.Future[Answer]], answers: Sequence[Answer | GosynqError]) -> None:
    for caller, answer in zip(callers, answers, strict=True):
        if caller.done():
            continue
        if isinstance(answer, GosynqError):
            caller.set_exception(answer)
        else:
            caller.set_result(answer)
