"""The remover: deletions of queues that their callers did not wait for are brought to their end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store import queue_settings

if TYPE_CHECKING:
    from gosynq_server.service.queue_removal import QueueRemoval
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=10)


class Remover:
    """Goes on with deletions of queues whose callers are gone."""

    def __init__(self, database: Database, removal: QueueRemoval) -> None:
        self._database = database
        self._removal = removal

    async def run_once(self) -> timedelta:
        """Delete what is left of queues that are being deleted; return how long it is until the next look."""
        for name in await queue_settings.deleting(self._database):
            await self._removal.finish(name)
        return _LOOK_EVERY
