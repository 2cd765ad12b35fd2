"""The counter: what the events tell is added to the numbers of jobs."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store import queue_counts

if TYPE_CHECKING:
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(seconds=1)
_MIN_AGE = timedelta(milliseconds=500)
_SPLIT_EVERY = timedelta(minutes=1)
_REST = 50
"""How many times as long as a count of jobs that are not due took, there is none after it."""


class Counter:
    """Adds up events once a second. Of the servers that do, one at a time counts; each event is counted once.

    Every minute it counts what the events do not tell, in the queues of which nothing better is known: how many pending
    jobs are not due.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._split_from = 0.0

    async def run_once(self) -> timedelta:
        """Count; return how long it is until the next time."""
        if not await queue_counts.add(self._database, min_age=_MIN_AGE):
            _log.info("jobs are being counted")
            await queue_counts.begin(self._database)
        began = time.monotonic()
        if began >= self._split_from and await queue_counts.count_split(self._database, min_age=_SPLIT_EVERY):
            now = time.monotonic()
            self._split_from = now + _REST * (now - began)
        return _LOOK_EVERY
