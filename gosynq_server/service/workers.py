"""Workers that come over the wire: their sessions, and single calls for those that have none."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gosynq_client.worker.leases import RefusalReason
from gosynq_client.worker.outcomes import Released
from gosynq_server.domain.errors import GosynqError, LeaseLost
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.domain.lease_names import RemoteResult, ref_of
from gosynq_server.domain.worker import LeaseStatus
from gosynq_server.service.leases import Taking, key_of
from gosynq_server.service.taking import Demand, Taker
from gosynq_server.service.waits import wait_until
from gosynq_server.service.work_session import WorkSession, fitting, heartbeat_interval, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import timedelta

    from gosynq_client.worker.leases import Lease
    from gosynq_server.domain.lease_names import LeaseName, LeaseRef, RemoteProgress
    from gosynq_server.domain.worker import WorkerProfile
    from gosynq_server.service.jobs import Jobs
    from gosynq_server.service.leases import Leases
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.registrar import Registrar
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Database

_log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 1.0
_NOBODY = Taking(worker_id="")


class Workers:
    """Serves workers. A lease is bound to its name alone: any call on any server ends it or extends it."""

    def __init__(
        self, database: Database, queues: Queues, leases: Leases, jobs: Jobs, here: Wakeups, registrar: Registrar
    ) -> None:
        self._database = database
        self._queues = queues
        self._leases = leases
        self._jobs = jobs
        self._here = here
        self._registrar = registrar
        self._sessions: dict[str, WorkSession] = {}

    @property
    def session_count(self) -> int:
        """How many workers have a session here."""
        return len(self._sessions)

    @asynccontextmanager
    async def session(self, profile: WorkerProfile) -> AsyncIterator[WorkSession]:
        """Open a session for the block; one of the same worker that is open, here or elsewhere, is replaced.

        What was taken for the worker and never sent to it goes back at the end, uncounted.
        """
        session = WorkSession(self._database, self._leases, profile)
        async with self._registrar.present(session):
            self._sessions[profile.worker_id] = session
            try:
                with self._here.told(session.taker):
                    yield session
            finally:
                if self._sessions.get(profile.worker_id) is session:
                    del self._sessions[profile.worker_id]
                await self._give_back_undelivered(session)

    async def heartbeat_interval(self, profile: WorkerProfile) -> timedelta:
        """Return how often a worker is to extend what it gets from its queues; jobs may have shorter leases."""
        if profile.lease_duration is not None:
            return heartbeat_interval([profile.lease_duration])
        settings = [await self._queues.get(subscription.queue) for subscription in profile.subscriptions]
        return heartbeat_interval([queue.defaults.lease_duration for queue in settings])

    async def lease(
        self, profile: WorkerProfile, wanted: int, *, wait: timedelta, draining: asyncio.Event
    ) -> Sequence[Lease]:
        """Lease up to wanted due jobs, as many as fit into one answer, waiting for the first if there is none.

        A server that drains waits no longer, and hands out nothing; a worker that is to drain waits in vain.
        """
        if not self._registrar.polled(profile, wanted=wanted):
            await wait_until(draining, wait)
            return ()
        taker = self._taker(profile)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait.total_seconds()
        with self._here.told(taker):
            while not draining.is_set():
                await taker.look()
                leases = (await taker.exchange([], wanted)).leases if taker.is_promising else ()
                left = end - loop.time()
                if leases or left <= 0:
                    return await self._as_fits(leases)
                await taker.woken.wait(min(left, _LOOK_EVERY_SECONDS))
        return ()

    async def _as_fits(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Return the first leases that fit together, and give the others back."""
        groups = list(fitting(leases))
        await self._give_back([lease for group in groups[1:] for lease in group])
        return groups[0] if groups else ()

    async def _give_back_undelivered(self, session: WorkSession) -> None:
        undelivered = session.undelivered
        try:
            await self._give_back(undelivered)
        except GosynqError as error:
            facts = {"worker_id": session.profile.worker_id, "leases": len(undelivered), "error": str(error)}
            _log.warning("leases that were not sent were not given back, they will run out", extra=facts)

    async def _give_back(self, held: Sequence[LeaseName]) -> None:
        queues: defaultdict[str, list[RemoteResult]] = defaultdict(list)
        for lease in held:
            queues[lease.queue].append(RemoteResult(lease=ref_of(lease), outcome=Released()))
        for queue, results in queues.items():
            await self._leases.exchange(queue, results, _NOBODY, wanted=0)

    async def end(self, result: RemoteResult) -> JobStatus:
        """End a lease by a result; return the job's status now. Raises LeaseLost; a repeat is none."""
        key = key_of(result.lease)
        exchanged = await self._leases.exchange(result.lease.queue, [result], _NOBODY, wanted=0)
        if key in exchanged.statuses:
            return exchanged.statuses[key]
        status = await self._status_of(result.lease)
        if exchanged.refused.get(key) is RefusalReason.ALREADY_APPLIED and status is not None:
            return status
        raise LeaseLost(job_id=result.lease.job_id, status=status or "gone")

    async def extend(self, held: Sequence[LeaseRef], *, by: timedelta | None) -> list[LeaseStatus]:
        """Extend leases from now, by their own duration or another; by none at all gives them back."""
        if by is not None and not by:
            await self._give_back(held)
            return [LeaseStatus(lease=lease) for lease in held]
        extended = await self._leases.extend(held, lease_duration=by)
        return [status_of(lease, extended.get(key_of(lease))) for lease in held]

    async def report(self, progress: RemoteProgress) -> bool:
        """Keep the progress of a job; say whether a cancel was asked for. Raises LeaseLost."""
        held = await self._leases.report_progress([progress])
        if key_of(progress.lease) not in held:
            raise LeaseLost(job_id=progress.lease.job_id, status=await self._status_of(progress.lease) or "gone")
        return held[key_of(progress.lease)]

    async def _status_of(self, lease: LeaseRef) -> JobStatus | None:
        job = (await self._jobs.find([JobId(lease.job_id)], with_content=False)).get(JobId(lease.job_id))
        return None if job is None else job.status

    def _taker(self, profile: WorkerProfile) -> Taker:
        taking = Taking(worker_id=profile.worker_id, kinds=profile.kinds or None, lease_duration=profile.lease_duration)
        weights = {subscription.queue: subscription.weight for subscription in profile.subscriptions}
        rooms = {subscription.queue: subscription.max_in_flight for subscription in profile.subscriptions}
        return Taker(self._database, self._leases, taking, Demand(weights=weights, room=rooms.get))
