"""How a session hears of cancels of what its worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gosynq_server.domain.lease_names import ref_of
from gosynq_server.domain.worker import CancelAsked
from gosynq_server.service.jobs import Jobs
from gosynq_server.service.replicas import Replicas
from gosynq_server.service.wakeups import Signal, Wakeups
from tests.service.house import WINDOW, House, until_blocked_by
from tests.service.working import working


async def _cancel(jobs: Jobs, job_id: str) -> None:
    await jobs.cancel(job_id, reason="enough", force=False)


async def _force(jobs: Jobs, job_id: str) -> None:
    await jobs.cancel(job_id, reason="enough", force=True)


async def _delete(jobs: Jobs, job_id: str) -> None:
    await jobs.delete(job_id, force=True, allow_missing=False)


WAYS = [(_cancel, "enough", False), (_force, "enough", True), (_delete, "deleted", True)]


@pytest.mark.parametrize(("act", "reason", "lease_lost"), WAYS)
async def test_a_cancel_is_told_at_once_and_whether_the_lease_is_void(
    house: House, act: Callable[[Jobs, str], Awaitable[None]], reason: str, lease_lost: bool
) -> None:
    job = await house.add()
    async with working(house, limit=1) as worker:
        [lease] = await worker.granted_so_many(1)
        await act(house.jobs, job)
        await worker.until(lambda: worker.cancels)
    assert worker.cancels == [CancelAsked(lease=ref_of(lease), reason=reason, lease_lost=lease_lost)]


@pytest.mark.parametrize(("act", "reason", "lease_lost"), WAYS)
async def test_a_cancel_at_another_server_is_told_here(
    house: House, elsewhere: House, act: Callable[[Jobs, str], Awaitable[None]], reason: str, lease_lost: bool
) -> None:
    job = await house.add()
    async with working(house, limit=1) as worker, _joined(elsewhere, house) as told_there:
        [lease] = await worker.granted_so_many(1)
        await act(Jobs(elsewhere.database, elsewhere.queues, told_there, elsewhere.waits, window=WINDOW), job)
        await worker.until(lambda: worker.cancels)
    assert worker.cancels == [CancelAsked(lease=ref_of(lease), reason=reason, lease_lost=lease_lost)]


@asynccontextmanager
async def _joined(there: House, here: House) -> AsyncIterator[Wakeups]:
    """Let one server hear of what another is told by the wake-ups that are given, once it surely listens."""
    teller = Replicas(there.database, server_id="there", here=Wakeups(), on_tick=Signal().set)
    listener = Replicas(here.database, server_id="here", here=here.wakeups, on_tick=Signal().set)
    told_there = Wakeups()
    told_there.add(teller)
    tasks = [asyncio.create_task(part) for part in (listener.listen(), teller.send())]
    async with asyncio.timeout(10):
        while not here.heard.scheduled:
            told_there.jobs_scheduled("hello")
            await asyncio.sleep(0.01)
    yield told_there
    for task in tasks:
        task.cancel()


async def test_a_void_lease_leaves_its_room_to_another(house: House) -> None:
    job, next_one = await house.add(), await house.add()
    async with working(house, limit=1) as worker:
        await worker.granted_so_many(1)
        await _force(house.jobs, job)
        assert [lease.job_id for lease in await worker.granted_so_many(2)] == [job, next_one]


async def test_a_cancel_that_overtakes_its_grant_is_told_behind_it(house: House) -> None:
    job = await house.add()
    async with working(house) as worker:
        async with house.sql.transaction():
            await house.sql.execute("LOCK TABLE gosynq.running IN ACCESS EXCLUSIVE MODE")
            worker.session.limit(1)
            await until_blocked_by(house.sql, house.sql.get_server_pid())
            house.wakeups.cancel_requested(job, "early")
        await worker.until(lambda: worker.cancels)
        assert [lease.job_id for lease in worker.granted] == [job]


async def test_a_cancel_of_what_others_run_is_not_told(house: House) -> None:
    theirs = await house.started()
    mine = await house.add()
    async with working(house, limit=1) as worker:
        await worker.granted_so_many(1)
        await _cancel(house.jobs, theirs.job_id)
        await _cancel(house.jobs, mine)
        await worker.until(lambda: worker.cancels)
    assert [cancel.lease.job_id for cancel in worker.cancels] == [mine]


async def test_a_forced_cancel_that_comes_too_late_is_told_to_nobody(house: House) -> None:
    lease = await house.started()
    await _force(house.jobs, lease.job_id)
    await _force(house.jobs, lease.job_id)
    assert house.heard.voided == [lease.job_id]
