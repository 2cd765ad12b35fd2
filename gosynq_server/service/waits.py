"""Waiting for jobs to become terminal: however many wait, one reader looks."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError
from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from gosynq_server.domain.job import JobId
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0


class Waits(Deaf):
    """Tells those who wait for a job when it is terminal, or gone.

    A job that ends on this server is told of at once; one that ends elsewhere is found by a look into the table, which
    happens once a second while anybody waits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: defaultdict[JobId, set[asyncio.Event]] = defaultdict(set)
        self._somebody = Signal()
        self._closed = False

    @contextmanager
    def waiting_for(self, job: JobId) -> Iterator[asyncio.Event]:
        """Return an event that is set once the job is terminal; whoever waits must look at the job after this began."""
        event = asyncio.Event()
        if self._closed:
            event.set()
        self._waiting[job].add(event)
        self._somebody.set()
        try:
            yield event
        finally:
            self._waiting[job].discard(event)
            if not self._waiting[job]:
                del self._waiting[job]

    def jobs_finished(self, jobs: Iterable[JobId]) -> None:
        """Tell those who wait for these jobs."""
        for job in jobs:
            for event in self._waiting.get(job, ()):
                event.set()

    def close(self) -> None:
        """Send everybody home, also those still to come: the server drains."""
        self._closed = True
        self.jobs_finished(list(self._waiting))

    async def run(self) -> None:
        """Look for jobs that ended elsewhere, until cancelled."""
        while True:
            await self._somebody.wait(3600)
            while self._waiting:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                await self._look()

    async def _look(self) -> None:
        try:
            self.jobs_finished(await jobs.terminal_among(self._database, list(self._waiting)))
        except GosynqError as error:
            _log.warning("waits could not look for ended jobs", extra={"error": str(error)})


async def wait_until(event: asyncio.Event, timeout: timedelta) -> None:  # noqa: ASYNC109 - it is the caller's, not an error
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await event.wait()
    except TimeoutError:
        return
