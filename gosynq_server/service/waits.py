"""Waiting for jobs to become terminal: however many wait, the events are read once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gosynq_server.service.wakeups import Deaf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import timedelta

    from gosynq_server.domain.event import EventRow
    from gosynq_server.domain.job import JobId
    from gosynq_server.service.event_tail import EventTail


class Waits(Deaf):
    """Tells those who wait for a job when it is terminal, or gone.

    A job that ends on this server is told of at once; one that ends elsewhere when its event comes by.
    """

    def __init__(self, tail: EventTail) -> None:
        self._tail = tail
        self._waiting: defaultdict[JobId, set[asyncio.Event]] = defaultdict(set)
        self._closed = False
        tail.tell(self._events_came)

    @asynccontextmanager
    async def waiting_for(self, job: JobId) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set once the job is terminal; whoever waits must look at the job after this began.

        Raises GosynqError where the database cannot be reached.
        """
        event = asyncio.Event()
        if self._closed:
            event.set()
        self._waiting[job].add(event)
        try:
            async with self._tail.followed():
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

    def _events_came(self, rows: Sequence[EventRow]) -> None:
        if self._waiting:
            for row in rows:
                if row.ends_jobs:
                    self.jobs_finished(row.job_ids)


async def wait_until(event: asyncio.Event, timeout: timedelta) -> None:  # noqa: ASYNC109 - it is the caller's, not an error
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await event.wait()
    except TimeoutError:
        return
