"""The sweeper: jobs that were not started in time are cancelled, idempotency keys that hold no more are freed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.job import Stage
from gosynq_server.store import debounce, jobs, keys

if TYPE_CHECKING:
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=5)
_BATCH = 1000


class Sweeper:
    """Cancels what expired and frees keys, in batches. retention is that of jobs for which nobody says it."""

    def __init__(self, database: Database, wakeups: Wakeups, *, window: timedelta, retention: timedelta) -> None:
        self._database = database
        self._wakeups = wakeups
        self._window = window
        self._retention = retention

    async def run_once(self) -> timedelta:
        """Sweep until nothing is due; return how long it is until the next look."""
        for stage in (Stage.SCHEDULED, Stage.READY):
            await self._expire(stage)
        while await keys.sweep(self._database, window=self._window, limit=_BATCH) == _BATCH:
            pass
        while await debounce.sweep(self._database, limit=_BATCH) == _BATCH:
            pass
        return _LOOK_EVERY

    async def _expire(self, stage: Stage) -> None:
        expired = _BATCH
        while expired == _BATCH:
            cancelled = await jobs.expire(
                self._database, stage=stage, limit=_BATCH, retention=self._retention, window=self._window
            )
            self._wakeups.jobs_finished(cancelled)
            expired = len(cancelled)
