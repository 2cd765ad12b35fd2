"""The bulk verbs of jobs, whatever their status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.service.bulk import Bulk
from gosynq_server.service.bulk_verbs import Cancel, Delete, Retry
from gosynq_server.store.records import storable

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from gosynq_server.domain.bulk import BulkQuery, BulkSummary
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database


class BulkJobs:
    """Cancels, retries and deletes many jobs. All raise FilterInvalid and PageTokenInvalid."""

    def __init__(self, database: Database, queues: Queues, wakeups: Wakeups, *, window: timedelta) -> None:
        self._database = database
        self._queues = queues
        self._wakeups = wakeups
        self._window = window
        self._bulk = Bulk(database)

    async def cancel(self, query: BulkQuery, *, reason: str) -> BulkSummary:
        """Cancel what is pending, ask for the cancel of what is processing, and skip the rest."""
        verb = Cancel(self._database, self._queues, self._wakeups, window=self._window, reason=storable(reason))
        return await self._bulk.run(verb, query)

    async def retry(self, query: BulkQuery, *, run_at: datetime | None) -> BulkSummary:
        """Make pending what failed or was cancelled, to run at a moment or now, and skip the rest."""
        return await self._bulk.run(Retry(self._database, self._wakeups, run_at=run_at), query)

    async def delete(self, query: BulkQuery) -> BulkSummary:
        """Delete what is not processing, and skip the rest."""
        return await self._bulk.run(Delete(self._database, self._wakeups), query)
