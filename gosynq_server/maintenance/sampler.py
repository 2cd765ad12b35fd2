"""The sampler: each queue's length, the age of its oldest ready job and the numbers of its jobs, for the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from gosynq_server.store import queue_counts, queues

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gosynq_server.store.database import Database

_LOOK_EVERY = timedelta(seconds=10)
_BOUND = 10_000


class QueueObserver(Protocol):
    """Who keeps what was seen of the queues."""

    def sampled(self, heads: Mapping[str, tuple[int, timedelta | None]]) -> None:
        """Take how many jobs wait in each queue, and how long the oldest of them has been due (None: there is none)."""

    def counted(self, jobs: Mapping[str, Mapping[str, int]]) -> None:
        """Take how many jobs each queue has, by status."""


class Sampler:
    """Looks at the heads of the queues; a length is counted up to 10,000 and never further."""

    def __init__(self, database: Database, observer: QueueObserver) -> None:
        self._database = database
        self._observer = observer

    async def run_once(self) -> timedelta:
        """Sample every queue; return how long it is until the next look."""
        heads = await queues.sample(self._database, bound=_BOUND)
        self._observer.sampled({head.name: (head.ready_count, head.oldest_age) for head in heads})
        totals = await queue_counts.totals(self._database)
        self._observer.counted({total.queue: total.counts for total in totals or ()})
        return _LOOK_EVERY
