"""One worker's session: jobs handed out as long as there is room, and results settled."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from gosynq_client.worker.leases import RefusalReason
from gosynq_server.domain.errors import GosynqError
from gosynq_server.domain.lease_names import ref_of
from gosynq_server.domain.worker import LONGEST_HEARTBEAT_SECONDS, Ack, Acknowledged, CancelAsked, Granted, LeaseStatus
from gosynq_server.service.held_leases import HeldLeases
from gosynq_server.service.leases import Taking, key_of
from gosynq_server.service.taking import Demand, Taker
from gosynq_server.store.leases import lease_key
from gosynq_server.store.workers import Presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gosynq_client.worker.leases import Lease
    from gosynq_server.domain.job import JobId
    from gosynq_server.domain.lease_names import LeaseRef, RemoteProgress, RemoteResult
    from gosynq_server.domain.worker import Delivery, WorkerProfile
    from gosynq_server.service.leases import Exchanged, Leases
    from gosynq_server.store.database import Database
    from gosynq_server.store.leases import Extended, LeaseKey

_log = logging.getLogger(__name__)

_RESULTS_AT_ONCE = 500
_LOOK_EVERY_SECONDS = 1.0
_AFTER_FAILURE_SECONDS = 0.5
_DELIVERIES = 16
_GROUP_BYTES = 1024 * 1024
_LEASE_BYTES = 1024
_PAIR_BYTES = 16
_ATTEMPTS_END = timedelta(seconds=15)
"""How long a lease lasts at most beyond the end of its attempt's time, in which the worker is to stop it."""


class WorkSession:
    """Takes jobs for a worker and settles what it made of them, in one loop; what it has to tell is in deliveries.

    Never more leases are open than limit says: a lease is open until its result is acknowledged, or it has run out. A
    worker that is overdue with its heartbeat gets no more until it is heard again: it may be paused, or cut off, and
    each lease that it never sees would be a delivery spent.
    """

    def __init__(self, database: Database, leases: Leases, profile: WorkerProfile) -> None:
        self.profile = profile
        self.id = secrets.token_hex(8)
        self.deliveries: asyncio.Queue[Delivery] = asyncio.Queue(_DELIVERIES)
        self.replaced = asyncio.Event()
        self.drained = asyncio.Event()
        self.drain_reason = ""
        self._leases = leases
        self._held = HeldLeases()
        self._limit = 0
        self._retired = False
        self._results: list[RemoteResult] = []
        self._offered: set[LeaseKey] = set()
        self._unsent: dict[LeaseKey, Lease] = {}
        self._settled = asyncio.Event()
        self._settled.set()
        self._exchanging = asyncio.Lock()
        self._cancels: list[CancelAsked] = []
        self._early: list[tuple[JobId, str, bool]] = []
        self._limits = {subscription.queue: subscription.max_in_flight for subscription in profile.subscriptions}
        self.taker = Taker(
            database,
            leases,
            Taking(worker_id=profile.worker_id, kinds=profile.kinds or None, lease_duration=profile.lease_duration),
            Demand(weights={told.queue: told.weight for told in profile.subscriptions}, room=self._room_in),
            on_cancel=self._cancel_asked,
        )

    def limit(self, max_in_flight: int) -> None:
        """Let at most so many leases be open; those that are go on."""
        self._heard()
        self._limit = max_in_flight
        self.taker.woken.set()

    def retire(self) -> None:
        """Hand out no more, whatever limit is said; open leases go on."""
        self._retired = True

    def presence(self) -> Presence:
        """Say how the worker is."""
        return Presence(profile=self.profile, session_id=self.id, max_in_flight=self._limit, silence=self._held.silence)

    def replace(self) -> None:
        """Let the session end: another one of the worker has taken its place."""
        self.replaced.set()

    def drain(self, reason: str) -> None:
        """Hand out no more; the worker is to be told, once."""
        self.retire()
        self.drain_reason = self.drain_reason or reason
        self.drained.set()

    def offer(self, results: Sequence[RemoteResult]) -> None:
        """Settle results soon; each is acknowledged."""
        self._heard()
        if not results:
            return
        for result in results:
            self._held.drop(key_of(result.lease))
            self._offered.add(key_of(result.lease))
        self._results += results
        self._settled.clear()
        self.taker.woken.set()

    def sending(self, leases: Iterable[tuple[str, int]]) -> None:
        """Note that leases, by job and sequence, are about to be sent: the worker may have them from now on."""
        for named in leases:
            self._unsent.pop(lease_key(*named), None)

    @property
    def undelivered(self) -> list[Lease]:
        """Leases that were taken for the worker, and that it surely does not have."""
        return [*self._unsent.values(), *self.taker.stranded]

    async def finish(self) -> None:
        """Hand out no more; wait until everything that was offered or granted by then is among the deliveries."""
        self.retire()
        await self._settled.wait()
        async with self._exchanging:
            return

    async def beat(self, held: Sequence[LeaseRef]) -> list[LeaseStatus]:
        """Extend leases; those that hold count as open from now on, wherever they were granted.

        One whose result was offered before counts with the results already, and is over as soon as that is settled.
        """
        self._heard()
        ending = frozenset(self._offered)
        extended = await self._leases.extend(held, lease_duration=self.profile.lease_duration)
        for lease in held:
            found = extended.get(key_of(lease))
            if found is None:
                self._held.drop(key_of(lease))
            elif key_of(lease) not in ending:
                self._held.hold(lease, found.valid_for)
        return [status_of(lease, extended.get(key_of(lease))) for lease in held]

    async def report(self, progress: Sequence[RemoteProgress]) -> None:
        """Keep the progress of jobs."""
        self._heard()
        await self._leases.report_progress(progress)

    async def run(self) -> None:
        """Hand out and settle, until cancelled."""
        await self._look()
        while True:
            await self._tell_of_cancels()
            results, self._results = self._results[:_RESULTS_AT_ONCE], self._results[_RESULTS_AT_ONCE:]
            wanted = self._room()
            if results or (wanted and self.taker.is_promising):
                await self._exchange(results, wanted)
            elif not await self.taker.woken.wait(_LOOK_EVERY_SECONDS) and wanted:
                await self._look()

    async def _exchange(self, results: list[RemoteResult], wanted: int) -> None:
        async with self._exchanging:
            await self._exchange_alone(results, wanted)
            early, self._early = self._early, []
        for job, reason, lease_lost in early:
            self._cancel_asked(job, reason, lease_lost=lease_lost)

    async def _exchange_alone(self, results: list[RemoteResult], wanted: int) -> None:
        try:
            exchanged = await self.taker.exchange(results, wanted)
        except GosynqError as error:
            self._results = results + self._results
            _log.warning("a session was held up", extra={"worker_id": self.profile.worker_id, "error": str(error)})
            await asyncio.sleep(_AFTER_FAILURE_SECONDS)
            return
        self._offered.difference_update(key_of(result.lease) for result in results)
        for lease in exchanged.leases:
            self._held.hold(lease, valid_for(lease))
            self._unsent[key_of(lease)] = lease
        # What has ended is acknowledged first: the leases that take its place come after it.
        if results:
            await self.deliveries.put(Acknowledged(acks=_acks(results, exchanged)))
        if not self._results:
            self._settled.set()
        if exchanged.leases:
            await self.deliveries.put(Granted(leases=exchanged.leases))

    async def _look(self) -> None:
        try:
            await self.taker.look()
        except GosynqError as error:
            _log.warning("a session was held up", extra={"worker_id": self.profile.worker_id, "error": str(error)})

    async def _tell_of_cancels(self) -> None:
        cancels, self._cancels = self._cancels, []
        for cancel in cancels:
            await self.deliveries.put(cancel)

    def _heard(self) -> None:
        if self._held.is_overdue:
            self.taker.woken.set()
        self._held.heard()

    def _cancel_asked(self, job: JobId, reason: str, *, lease_lost: bool) -> None:
        lease = self._held.of_job(job)
        if lease is not None:
            self._cancels.append(CancelAsked(lease=ref_of(lease), reason=reason, lease_lost=lease_lost))
            if lease_lost:
                self._held.drop(key_of(lease))
            self.taker.woken.set()
        elif self._exchanging.locked():
            # It may be of a lease that is committed and on its way here.
            self._early.append((job, reason, lease_lost))

    def _room(self) -> int:
        """Return how many leases may follow an exchange that settles all but the results that are left."""
        self._held.review()
        if self._held.is_overdue or self._retired:
            return 0
        return max(self._limit - len(self._held) - len(self._results), 0)

    def _room_in(self, queue: str) -> int | None:
        limit = self._limits.get(queue)
        return None if limit is None else max(limit - self._held.of_queue(queue), 0)


def valid_for(lease: Lease) -> timedelta:
    """Return how long a lease lasts from its beginning unless it is extended."""
    if lease.attempt_timeout is None:
        return lease.lease_duration
    return min(lease.lease_duration, lease.attempt_timeout + _ATTEMPTS_END)


def fitting(leases: Sequence[Lease]) -> Iterator[list[Lease]]:
    """Give leases in groups, none of them with more bytes than a client takes at once."""
    group: list[Lease] = []
    size = 0
    for lease in leases:
        weight = _weight(lease)
        if group and size + weight > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(lease)
        size += weight
    if group:
        yield group


def _weight(lease: Lease) -> int:
    """Return how many bytes a lease takes in a message, or some more."""
    pairs = chain(lease.labels.items(), lease.headers.items())
    return _LEASE_BYTES + len(lease.payload) + sum(_PAIR_BYTES + len(f"{name}{text}".encode()) for name, text in pairs)


def heartbeat_interval(leases: Sequence[timedelta]) -> timedelta:
    """Return how often leases of these durations are to be extended: three times in the shortest."""
    return min(min(leases) / 3, timedelta(seconds=LONGEST_HEARTBEAT_SECONDS))


def status_of(lease: LeaseRef, extended: Extended | None) -> LeaseStatus:
    """Return what became of a lease that was to be extended."""
    if extended is None:
        return LeaseStatus(lease=lease)
    return LeaseStatus(
        lease=lease,
        expires_at=extended.expires_at,
        valid_for=extended.valid_for,
        cancel_requested=extended.cancel_requested,
    )


def _acks(results: Sequence[RemoteResult], exchanged: Exchanged) -> list[Ack]:
    """Answer results; of several for one lease the first was applied, the others are repeats."""
    refused, known = dict(exchanged.refused), {**exchanged.found, **exchanged.statuses}
    acks: list[Ack] = []
    for result in results:
        key = key_of(result.lease)
        acks.append(Ack(lease=result.lease, refused=refused.get(key), job_status=known.get(key)))
        refused.setdefault(key, RefusalReason.ALREADY_APPLIED)
    return acks
