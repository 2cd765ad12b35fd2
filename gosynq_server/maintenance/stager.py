"""The stager: scheduled jobs whose start has come are made ready."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import jobs, queues

if TYPE_CHECKING:
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=1)
_BATCH = 1000


class Stager(Deaf):
    """Makes due jobs ready, at their moment where it is known here, and within a second where it is not."""

    def __init__(self, database: Database, wakeups: Wakeups, *, signal: Signal) -> None:
        self._database = database
        self._wakeups = wakeups
        self._signal = signal

    def jobs_scheduled(self, queue: str) -> None:  # noqa: ARG002 - whichever queue it is
        """Look again: a job may be due earlier than thought."""
        self._signal.set()

    async def run_once(self) -> timedelta:
        """Make every due job ready; return how long it is until the next one."""
        waits = await queues.due_in(self._database)
        for queue, wait in waits.items():
            if wait <= timedelta():
                await self._promote(queue)
        return min([_LOOK_EVERY, *(wait for wait in waits.values() if wait > timedelta())])

    async def _promote(self, queue: str) -> None:
        moved = _BATCH
        while moved == _BATCH:
            promoted = await jobs.promote(self._database, queue, limit=_BATCH)
            moved = promoted.ready_count + promoted.held_count
            if promoted.ready_count:
                self._wakeups.jobs_ready(queue)
            if promoted.held_count:
                self._wakeups.jobs_held(queue)
