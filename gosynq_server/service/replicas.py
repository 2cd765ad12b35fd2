"""Wake-ups between servers: told to the others after the commit, one debounced notice at a time."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import orjson

from gosynq_server.domain.errors import GosynqError
from gosynq_server.domain.job import JobId
from gosynq_server.service.wakeups import Deaf, Signal
from gosynq_server.store import notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_DEBOUNCE_SECONDS = 0.05
_AFTER_FAILURE_SECONDS = 1.0
# All of the longest together stay below the 8000 bytes that PostgreSQL takes.
_MOST_NAMES = 14
_MOST_CHANGED = 4
_MOST_CANCELS = 20
_MOST_WORKERS = 8
_REASON_CHARACTERS = 60
_UNPLAIN = re.compile(r"""[^ !#-\[\]-~]""")


class Replicas(Deaf):
    """Tells the other servers what happened here, and this one's listeners (here) what happened there.

    on_tick is called when another server made a tick, or this one.

    A notice is a hint: what is lost with one, or left out of a full one, is found by polling.
    """

    def __init__(self, database: Database, *, server_id: str, here: Wakeups, on_tick: Callable[[], None]) -> None:
        self._database = database
        self._server_id = server_id
        self._here = here
        self._on_tick = on_tick
        self._ready: set[str] = set()
        self._scheduled: set[str] = set()
        self._changed: set[str] = set()
        self._cancels: dict[JobId, tuple[str, bool]] = {}
        self._workers: set[str] = set()
        self._something = Signal()

    def jobs_ready(self, queue: str) -> None:
        """Tell the others that jobs of a queue may be ready."""
        self._ready.add(queue)
        self._something.set()

    def jobs_scheduled(self, queue: str) -> None:
        """Tell the others that jobs of a queue may have got an earlier start."""
        self._scheduled.add(queue)
        self._something.set()

    def queue_changed(self, queue: str) -> None:
        """Tell the others that a queue is to be read anew."""
        self._changed.add(queue)
        self._something.set()

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        """Tell the others that a running job is to be cancelled, or that its lease is void."""
        self._cancels[job] = (reason, lease_lost)
        self._something.set()

    def worker_changed(self, worker_id: str) -> None:
        """Tell the others that a worker may have another session, or is to drain."""
        self._workers.add(worker_id)
        self._something.set()

    async def send(self) -> None:
        """Send what there is to tell, until cancelled."""
        while True:
            if await self._something.wait(3600):
                sent = await self._send_once()
                await asyncio.sleep(_DEBOUNCE_SECONDS if sent else _AFTER_FAILURE_SECONDS)

    async def listen(self) -> None:
        """Hear what the others tell, until cancelled."""
        await notices.listen(self._database.dsn, self._receive, on_tick=self._on_tick)

    async def _send_once(self) -> bool:
        """Send one notice; say whether the database took it."""
        notice = orjson.dumps(
            {
                "from": self._server_id,
                "ready": sorted(self._ready)[:_MOST_NAMES],
                "scheduled": sorted(self._scheduled)[:_MOST_NAMES],
                "changed": sorted(self._changed)[:_MOST_CHANGED],
                "cancels": [
                    [job, _short(reason), lease_lost]
                    for job, (reason, lease_lost) in list(self._cancels.items())[:_MOST_CANCELS]
                ],
                "workers": sorted(self._workers)[:_MOST_WORKERS],
            }
        )
        self._ready, self._scheduled, self._changed = set(), set(), set()
        self._cancels, self._workers = {}, set()
        try:
            await notices.send(self._database, notice.decode())
        except GosynqError as error:
            _log.warning("a notice could not be sent", extra={"error": str(error)})
            return False
        return True

    def _receive(self, notice: str) -> None:
        try:
            told = orjson.loads(notice)
            if told["from"] == self._server_id:
                return
            self._pass_on(told)
        except (ValueError, KeyError, TypeError):
            _log.warning("a notice was not understood")

    def _pass_on(self, told: dict[str, Any]) -> None:
        for queue in told["ready"]:
            self._here.jobs_ready(queue)
        for queue in told["scheduled"]:
            self._here.jobs_scheduled(queue)
        for job, reason, lease_lost in told["cancels"]:
            self._here.cancel_requested(JobId(job), reason, lease_lost=lease_lost)
        # Absent from what a server of an earlier version tells.
        for queue in told.get("changed", ()):
            self._here.queue_changed(queue)
        # Told by gosynq.enqueue alone: a server looks after the jobs that it holds.
        for queue in told.get("held", ()):
            self._here.jobs_held(queue)
        for worker_id in told.get("workers", ()):
            self._here.worker_changed(worker_id)


def _short(reason: str) -> str:
    return _UNPLAIN.sub("?", reason[:_REASON_CHARACTERS])
