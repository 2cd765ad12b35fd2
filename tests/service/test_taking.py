"""Which queues a taker takes from, over a real database."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.lease_names import RemoteResult, ref_of
from gosynq_server.domain.worker import Granted, Subscription, WorkerProfile
from gosynq_server.service.leases import Exchanged, Leases, Taking
from gosynq_server.service.taking import Demand, Taker
from tests.service.house import PATIENCE_SECONDS, WINDOW, House, until_blocked_by

TAKING = Taking(worker_id="w-1")


@pytest.mark.parametrize("at_once", [1, 2, 8])
async def test_queues_give_by_their_weights_however_few_jobs_are_taken_at_once(house: House, at_once: int) -> None:
    for _ in range(16):
        await house.add(queue="low")
        await house.add(queue="high")
    taker = Taker(house.database, house.leases, TAKING, Demand(weights={"low": 1, "high": 3}))
    await taker.look()
    taken: Counter[str] = Counter()
    for _ in range(16 // at_once):
        exchanged = await taker.exchange([], at_once)
        taken.update(lease.queue for lease in exchanged.leases)
    assert taken == {"high": 12, "low": 4}


async def test_what_a_session_was_granted_as_it_finishes_is_delivered(house: House) -> None:
    profile = WorkerProfile(worker_id="w-1", subscriptions=[Subscription(queue="q")])
    await house.add()
    async with house.workers.session(profile) as session:
        running = asyncio.create_task(session.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with house.sql.transaction():
                await house.sql.execute("LOCK TABLE gosynq.running IN ACCESS EXCLUSIVE MODE")
                session.limit(1)
                await until_blocked_by(house.sql, house.sql.get_server_pid())
                finishing = asyncio.create_task(session.finish())
                await asyncio.sleep(0)
                assert not finishing.done()
            await finishing
        delivery = session.deliveries.get_nowait()
        assert isinstance(delivery, Granted)
        [lease] = delivery.leases
        session.offer([RemoteResult(lease=ref_of(lease), outcome=Succeeded())])
        await session.finish()
        running.cancel()
    assert await house.stage(lease.job_id) == "finished"


class _Stuck(Leases):
    """Answers for one queue, and no more."""

    def __init__(self, house: House) -> None:
        super().__init__(house.database, house.queues, house.wakeups, window=WINDOW)
        self.stuck = asyncio.Event()
        self._asked = 0

    async def exchange(self, *arguments: Any, **options: Any) -> Exchanged:
        self._asked += 1
        if self._asked > 1:
            self.stuck.set()
            await asyncio.Event().wait()
        return await super().exchange(*arguments, **options)


async def test_what_a_queue_gave_to_a_call_that_is_cancelled_is_kept_to_go_back(house: House) -> None:
    for queue in ("a", "b"):
        await house.add(queue=queue)
    leases = _Stuck(house)
    taker = Taker(house.database, leases, TAKING, Demand(weights={"a": 1, "b": 1}))
    await taker.look()
    exchanging = asyncio.create_task(taker.exchange([], 2))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await leases.stuck.wait()
    exchanging.cancel()
    await asyncio.wait([exchanging])
    assert [str(row["id"]) for row in await house.sql.fetch("SELECT id FROM gosynq.running")] == [
        lease.job_id for lease in taker.stranded
    ]
    assert len(taker.stranded) == 1


async def test_a_queue_with_a_rate_is_asked_again_when_it_may_have_more_and_left_when_it_has_none(house: House) -> None:
    await house.add()
    await house.add()
    await house.sql.execute("UPDATE gosynq.queues SET max_leases_per_second = 40, lease_burst = 1")
    house.forget_settings()
    taker = Taker(house.database, house.leases, TAKING, Demand(weights={"q": 1}))
    await taker.look()
    taken, looks = 0, 0
    while await taker.woken.wait(1 if looks else 0) or not looks:
        looks += 1
        taken += len((await taker.exchange([], 10)).leases)
    assert taken == 2
    assert looks < 15


async def test_the_end_of_a_lease_opens_a_queue_with_a_concurrency(house: House) -> None:
    for _ in range(3):
        await house.add()
    await house.sql.execute("UPDATE gosynq.queues SET max_concurrency = 1")
    house.forget_settings()
    taker = Taker(house.database, house.leases, TAKING, Demand(weights={"q": 1}))
    house.wakeups.add(taker)
    await taker.look()
    [lease] = (await taker.exchange([], 10)).leases
    assert not taker.is_promising
    await taker.exchange([RemoteResult(lease=ref_of(lease), outcome=Succeeded())], 0)
    assert taker.is_promising
    assert len((await taker.exchange([], 10)).leases) == 1
