"""The workers of all servers: listed, and drained wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.errors import WorkerNotFound
from gosynq_server.domain.paging import decode_name_token, encode_name_token, workers_digest
from gosynq_server.domain.worker import WorkerPage
from gosynq_server.store import workers
from gosynq_server.store.records import storable

if TYPE_CHECKING:
    from gosynq_server.domain.worker import WorkerInfo
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database


class Roster:
    """Reads the list of workers, and asks there what their servers look for."""

    def __init__(self, database: Database, *, tell: Wakeups) -> None:
        self._database = database
        self._tell = tell

    async def list(self, *, queue: str, page_size: int, page_token: str) -> WorkerPage:
        """Return a page of workers, those that take from a queue if one is named; raises PageTokenInvalid."""
        digest = workers_digest(queue)
        after = decode_name_token(page_token, digest) if page_token else ""
        found = await workers.list_page(self._database, queue=queue or None, after=after, limit=page_size + 1)
        page = tuple(found[:page_size])
        token = encode_name_token(digest, page[-1].profile.worker_id) if len(found) > page_size else ""
        return WorkerPage(workers=page, next_page_token=token)

    async def drain(self, worker_id: str, *, reason: str) -> WorkerInfo:
        """Ask a worker to finish and leave, wherever it is; return it as it is now. Raises WorkerNotFound."""
        if not await workers.drain(self._database, worker_id, reason=storable(reason)):
            raise WorkerNotFound(worker_id=worker_id)
        self._tell.worker_changed(worker_id)
        worker = await workers.get(self._database, worker_id)
        if worker is None:
            raise WorkerNotFound(worker_id=worker_id)
        return worker
