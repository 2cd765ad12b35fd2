"""The sampler: each queue's length and the age of its oldest ready job, for the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store import queues

if TYPE_CHECKING:
    from collections.abc import Callable

    from gosynq_server.store.database import Database
    from gosynq_server.store.queues import QueueSample

_LOOK_EVERY = timedelta(seconds=10)
_BOUND = 10_000


class Sampler:
    """Looks at the heads of the queues; a length is counted up to 10,000 and never further."""

    def __init__(self, database: Database, observe: Callable[[QueueSample], None]) -> None:
        self._database = database
        self._observe = observe

    async def run_once(self) -> timedelta:
        """Sample every queue; return how long it is until the next look."""
        for sample in await queues.sample(self._database, bound=_BOUND):
            self._observe(sample)
        return _LOOK_EVERY
