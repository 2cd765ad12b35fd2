"""The admitter: jobs that wait for a place of their concurrency or ordering key are let to the front."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import keys, queues

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_server.domain.job import JobId
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=1)
_BATCH = 1000
_LONG = timedelta(milliseconds=20)
"""A round that took this long, as many keys wait, is followed by a rest as long, so that others get to the database."""


class Admitter(Deaf):
    """Looks when a job comes to wait or one has ended, where jobs wait; and every second, whatever it was told.

    That no key gets more than its places is the database's care. Here it is only noticed that there may be some.
    """

    def __init__(self, database: Database, wakeups: Wakeups, *, signal: Signal) -> None:
        self._database = database
        self._wakeups = wakeups
        self._signal = signal
        self._is_holding = False

    def jobs_held(self, queue: str) -> None:  # noqa: ARG002 - whichever queue it is
        """Look again: a job waits, or need not wait longer."""
        self._signal.set()

    def jobs_finished(self, jobs: Iterable[JobId]) -> None:  # noqa: ARG002 - whichever they are
        """Look again where jobs wait: there may be a place now."""
        self._look_where_jobs_wait()

    def jobs_scheduled(self, queue: str) -> None:  # noqa: ARG002 - whichever queue it is
        """Look again where jobs wait: a job that is put off leaves its place."""
        self._look_where_jobs_wait()

    async def run_once(self) -> timedelta:
        """Let through what there is a place for; return how long it is until the next look."""
        began = time.monotonic()
        holding = await queues.with_held_jobs(self._database)
        self._is_holding = bool(holding)
        for queue in holding:
            if await keys.admit(self._database, queue, limit=_BATCH):
                self._wakeups.jobs_ready(queue)
        took = time.monotonic() - began
        if took > _LONG.total_seconds():
            await asyncio.sleep(took)
        return _LOOK_EVERY

    def _look_where_jobs_wait(self) -> None:
        if self._is_holding:
            self._signal.set()
