"""The pool is one of the workers: listed, and drained as the others are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gosynq_client.worker import Handlers, Job, RuntimeOptions, WorkerRuntime
from gosynq_server.domain.worker import Subscription, WorkerProfile, WorkerState
from gosynq_server.maintenance.loop import repeat
from gosynq_server.pool.member import Pool
from tests.service.house import PATIENCE_SECONDS, House

PROFILE = WorkerProfile(worker_id="pool", subscriptions=(Subscription(queue="q"),), kinds=("k",))


@asynccontextmanager
async def _running(house: House, gate: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    """Run a pool whose handler waits at a gate, and the registrar with it."""
    handlers = Handlers()

    @handlers.register("k")
    async def wait(job: Job) -> None:
        await gate.wait()

    pool = Pool(WorkerRuntime(house.source(), handlers, RuntimeOptions(concurrency=2)), PROFILE, concurrency=2)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        registering = tasks.create_task(repeat(house.registrar, signal=house.registrar.signal))
        running = tasks.create_task(pool.run(house.registrar))
        yield running
        pool.stop()
        await asyncio.wait([running])
        registering.cancel()


async def _states(house: House) -> list[WorkerState]:
    page = await house.roster.list(queue="q", page_size=9, page_token="")
    return [worker.state for worker in page.workers]


async def _until_listed(house: House) -> None:
    while not await _states(house):
        house.registrar.signal.set()


async def test_a_drained_pool_finishes_what_it_has_takes_no_more_and_leaves_the_list(house: House) -> None:
    gate = asyncio.Event()
    async with _running(house, gate) as running:
        await _until_listed(house)
        job = await house.add()
        while await house.stage(job) != "running":
            pass
        drained = await house.roster.drain("pool", reason="enough")
        assert (drained.state, drained.in_flight, drained.max_in_flight) == (WorkerState.DRAINING, 1, 2)
        await house.registrar.run_once()
        another = await house.add()
        gate.set()
        await running
        assert (await house.job(job)).status == "completed"
        assert await house.stage(another) == "ready"
        assert await _states(house) == []


async def test_a_pool_begins_and_ends_without_the_list(house: House) -> None:
    house.database.away = frozenset({"workers_put", "workers_renew", "workers_leave"})
    gate = asyncio.Event()
    gate.set()
    async with _running(house, gate):
        job = await house.add()
        while (await house.job(job)).status != "completed":
            pass
