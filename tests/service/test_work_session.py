"""A worker's session over a real database: what it hands out, settles and tells."""

from __future__ import annotations

import asyncio

from gosynq_server.domain.worker import Subscription
from tests.service.house import House
from tests.service.working import a_profile, told, working


async def test_a_queue_with_all_that_a_worker_takes_of_it_holds_up_nobody(house: House) -> None:
    for _ in range(2):
        await house.add(queue="few")
    profile = a_profile(Subscription(queue="few", max_in_flight=1), Subscription(queue="many"))
    async with working(house, profile, limit=3) as worker:
        [first] = await worker.granted_so_many(1)
        await house.add(queue="many")
        assert [lease.queue for lease in await worker.granted_so_many(2)] == ["few", "many"]
        await worker.settled(told(first))
        assert [lease.queue for lease in await worker.granted_so_many(3)] == ["few", "many", "few"]
