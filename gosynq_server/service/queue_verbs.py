"""Looking after queues: read with their numbers, changed, and put into another state."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import DatabaseBusy, EtagMismatch, QueueDeleting, QueueNotFound
from gosynq_server.domain.paging import decode_name_token, encode_name_token
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.queue_settings import updated
from gosynq_server.store import queue_counts, queue_settings, queues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.domain.queue_settings import QueueDetails, QueueSettings, QueueUpdate
    from gosynq_server.domain.queue_stats import QueueStats, QueueTotals
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database, Executor

_DIGEST = sha256(b"queues").digest()
"""Stands for the list of queues in its page tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueShown:
    """A queue as it is, and what is in it; None where that was not asked for, or is not counted yet."""

    details: QueueDetails
    stats: QueueStats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePage:
    """A page of queues; an empty token ends the list."""

    queues: tuple[QueueShown, ...]
    next_page_token: str


class QueueVerbs:
    """Reads queues and acts on them one by one. Everybody is told of a change after its commit."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database = database
        self._wakeups = wakeups

    async def list(self, *, page_size: int, page_token: str, with_stats: bool) -> QueuePage:
        """Return a page of queues by name; raises PageTokenInvalid."""
        after = decode_name_token(page_token, _DIGEST) if page_token else ""
        found = await queue_settings.list_page(self._database, after=after, limit=page_size + 1)
        page = found[:page_size]
        token = encode_name_token(_DIGEST, page[-1].name) if len(found) > page_size else ""
        return QueuePage(queues=await self._shown(page, with_stats=with_stats), next_page_token=token)

    async def get(self, name: str) -> QueueShown:
        """Return a queue with what is in it; raises QueueNotFound."""
        found = await queue_settings.show(self._database, name)
        if found is None:
            raise QueueNotFound(queue=name)
        return (await self._shown([found], with_stats=True))[0]

    async def totals(self) -> Sequence[QueueTotals]:
        """Return how many jobs there are, by queue; raises DatabaseBusy while they are counted for the first time."""
        totals = await queue_counts.totals(self._database)
        if totals is None:
            raise DatabaseBusy
        return totals

    async def update(self, update: QueueUpdate) -> QueueDetails:
        """Change what a queue says of itself; raises QueueNotFound, QueueDeleting and EtagMismatch."""
        async with self._database.transaction() as transaction:
            if update.allow_missing and not update.etag:
                await queues.make(transaction, update.name)
            await queue_settings.halt_leases(transaction, update.name)
            before = await locked(transaction, update.name, etag=update.etag)
            settings = updated(before.settings, update)
            if settings == before.settings:
                return before
            after = await queue_settings.write(transaction, update.name, settings)
            await _put_into_force(transaction, update.name, before.settings, settings)
        self._tell(update.name)
        return after

    async def pause(self, name: str, *, reason: str) -> QueueDetails:
        """Have a queue hand out nothing: no lease of it starts after the return, until it is resumed.

        Raises QueueNotFound and QueueDeleting.
        """
        return await self._set_state(name, QueueState.PAUSED, reason)

    async def resume(self, name: str) -> QueueDetails:
        """Have a queue take and hand out jobs; raises QueueNotFound and QueueDeleting."""
        return await self._set_state(name, QueueState.ACTIVE, "")

    async def drain(self, name: str, *, reason: str) -> QueueDetails:
        """Have a queue take nothing new; raises QueueNotFound and QueueDeleting."""
        return await self._set_state(name, QueueState.DRAINING, reason)

    async def _set_state(self, name: str, state: QueueState, reason: str) -> QueueDetails:
        async with self._database.transaction() as transaction:
            await queue_settings.halt_leases(transaction, name)
            before = await locked(transaction, name)
            if (before.state, before.state_reason) == (state, reason):
                return before
            after = await queue_settings.set_state(transaction, name, state, reason=reason)
        self._tell(name)
        return after

    async def _shown(self, found: Sequence[QueueDetails], *, with_stats: bool) -> tuple[QueueShown, ...]:
        names = [details.name for details in found]
        stats = await queue_counts.read(self._database, names) if with_stats and names else {}
        return tuple(QueueShown(details=details, stats=stats.get(details.name)) for details in found)

    def _tell(self, name: str) -> None:
        self._wakeups.queue_changed(name)
        # It may hand out more than before.
        self._wakeups.jobs_ready(name)
        self._wakeups.jobs_held(name)


async def locked(executor: Executor, name: str, *, etag: str = "") -> QueueDetails:
    """Return a queue and keep it as it is until commit; raises QueueNotFound, QueueDeleting and EtagMismatch."""
    details = await queue_settings.lock(executor, name)
    if details is None:
        raise QueueNotFound(queue=name)
    if details.state is QueueState.DELETING:
        raise QueueDeleting(queue=name)
    if etag not in {"", details.etag}:
        raise EtagMismatch(etag=details.etag)
    return details


async def _put_into_force(executor: Executor, name: str, before: QueueSettings, after: QueueSettings) -> None:
    if after.max_pending != before.max_pending:
        await queue_settings.forget_room(executor, name)
    if _rate(after) != _rate(before):
        await queue_settings.carry_rate(executor, name, before=before, after=after)
    limit, limit_before = after.max_concurrency_per_key, before.max_concurrency_per_key
    if limit is not None and (limit_before is None or limit < limit_before):
        await queue_settings.hold_again(executor, name)


def _rate(settings: QueueSettings) -> tuple[float | None, int | None]:
    return settings.max_leases_per_second, settings.lease_burst
