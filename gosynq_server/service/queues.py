"""The queues' settings, remembered for a few seconds, and queues made on first use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gosynq_server.domain.queue import Queue
from gosynq_server.service.wakeups import Deaf
from gosynq_server.store import queues

if TYPE_CHECKING:
    from gosynq_server.domain.queue import QueueDefaults
    from gosynq_server.store.database import Database

_MAX_AGE_SECONDS = 5.0


class Queues(Deaf):
    """What is known of the queues. A change that it is not told of is seen after five seconds at the latest."""

    def __init__(self, database: Database, *, defaults: QueueDefaults) -> None:
        self._database = database
        self._defaults = defaults
        self._known: dict[str, tuple[float, Queue]] = {}
        self._changes = 0

    def queue_changed(self, queue: str) -> None:
        """Read a queue anew when it is asked for next."""
        self._changes += 1
        self._known.pop(queue, None)

    async def get(self, name: str) -> Queue:
        """Return a queue's settings; one that is not there has the server's."""
        return await self._remembered(name) or Queue(name=name, defaults=self._defaults)

    async def get_or_make(self, name: str) -> Queue:
        """Return a queue's settings, making the queue where there is none of that name."""
        queue = await self._remembered(name)
        if queue is not None:
            return queue
        await queues.make(self._database, name)
        return await self.get(name)

    async def _remembered(self, name: str) -> Queue | None:
        read_at, queue = self._known.get(name, (0.0, None))
        now = time.monotonic()
        if queue is not None and now - read_at < _MAX_AGE_SECONDS:
            return queue
        changes = self._changes
        found = await queues.get(self._database, name, defaults=self._defaults)
        # What was read before a change came in between may be from before it.
        if found is not None and changes == self._changes:
            self._known[name] = (now, found)
        return found
