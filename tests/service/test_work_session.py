"""What counts as an open lease of a session, over a real database."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.lease_names import RemoteResult, ref_of
from gosynq_server.domain.worker import Acknowledged, Granted, Subscription, WorkerProfile
from tests.service.house import PATIENCE_SECONDS, House

PROFILE = WorkerProfile(worker_id="w-1", subscriptions=[Subscription(queue="q")])


async def test_a_heartbeat_for_a_lease_whose_result_came_before_takes_no_place(house: House) -> None:
    held = await house.started()
    await house.add()
    with house.workers.session(PROFILE) as session:
        await session.beat([ref_of(held)])
        session.limit(1)
        session.offer([RemoteResult(lease=ref_of(held), outcome=Succeeded())])
        await session.beat([ref_of(held)])
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            deliveries = [await session.deliveries.get() for _ in range(2)]
        running.cancel()

    assert [type(delivery) for delivery in deliveries] == [Acknowledged, Granted]


async def test_workers_are_counted_while_their_sessions_are_open(house: House) -> None:
    other = replace(PROFILE, worker_id="other")
    with house.workers.session(PROFILE), house.workers.session(other), house.workers.session(PROFILE):
        assert house.workers.session_count == 2
    assert house.workers.session_count == 0
