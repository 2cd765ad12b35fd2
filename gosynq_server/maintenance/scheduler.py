"""The scheduler: schedules that are due make their jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store import schedules

if TYPE_CHECKING:
    from gosynq_server.service.firing import Firer
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=1)
_LOOK_AGAIN = timedelta(milliseconds=20)
_BATCH = 500


class Scheduler:
    """Fires at the moment that is due where it is known here, and within a second where it is not."""

    def __init__(self, database: Database, firer: Firer) -> None:
        self._database = database
        self._firer = firer

    async def run_once(self) -> timedelta:
        """Fire all that is due; return how long it is until the next firing."""
        while await self._firer.fire(limit=_BATCH):
            pass
        wait = await schedules.due_in(self._database)
        if wait is None:
            return _LOOK_EVERY
        # What is due has just become so, or another server has locked it.
        return min(_LOOK_EVERY, wait) if wait > timedelta() else _LOOK_AGAIN
