"""A worker at its session, as tests lead it: what it was granted, told and asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Outcome, Succeeded
from gosynq_server.domain.lease_names import LeaseName, RemoteResult, ref_of
from gosynq_server.domain.worker import Ack, Acknowledged, CancelAsked, Granted, Subscription, WorkerProfile
from gosynq_server.service.work_session import WorkSession
from tests.service.house import PATIENCE_SECONDS, House


def a_profile(*queues: Subscription, worker_id: str = "w-1", **said: Any) -> WorkerProfile:
    return WorkerProfile(worker_id=worker_id, subscriptions=queues or (Subscription(queue="q"),), **said)


def told(lease: LeaseName, outcome: Outcome | None = None) -> RemoteResult:
    return RemoteResult(lease=ref_of(lease), outcome=outcome or Succeeded())


@dataclass(slots=True)
class LedWorker:
    """Takes what its session delivers, in order."""

    session: WorkSession
    granted: list[Lease] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    cancels: list[CancelAsked] = field(default_factory=list)

    async def until(self, done: Callable[[], object]) -> None:
        """Take deliveries until something is so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not done():
                self._take(await self.session.deliveries.get())

    async def granted_so_many(self, count: int) -> Sequence[Lease]:
        """Take deliveries until so many leases were granted in all."""
        await self.until(lambda: len(self.granted) >= count)
        return self.granted

    async def settled(self, *results: RemoteResult) -> list[Ack]:
        """Offer results and return their answers, in the order of the results."""
        before = len(self.acks)
        self.session.offer(results)
        await self.until(lambda: len(self.acks) >= before + len(results))
        return self.acks[before:]

    def take_what_is_there(self) -> None:
        while not self.session.deliveries.empty():
            self._take(self.session.deliveries.get_nowait())

    def _take(self, delivery: Granted | Acknowledged | CancelAsked) -> None:
        match delivery:
            case Granted():
                self.granted += delivery.leases
            case Acknowledged():
                self.acks += delivery.acks
            case CancelAsked():
                self.cancels.append(delivery)
        self.session.deliveries.task_done()


@asynccontextmanager
async def working(house: House, profile: WorkerProfile | None = None, *, limit: int = 0) -> AsyncIterator[LedWorker]:
    """Open a session that hands out and settles while the block runs."""
    async with house.workers.session(profile or a_profile()) as session:
        session.limit(limit)
        running = asyncio.create_task(session.run())
        try:
            yield LedWorker(session)
            assert not running.done()
        finally:
            running.cancel()
