"""Jobs that share a concurrency or ordering key wait for a place of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.maintenance.admitter import Admitter
from gosynq_server.service.wakeups import Signal
from gosynq_server.store import keys
from tests.service.house import FAILED, FATAL, HOUR, House
from tests.service.test_queue_limits import add_many, limited


async def admit(house: House) -> int:
    return await keys.admit(house.database, "q", limit=1000)


async def test_no_more_jobs_of_a_key_are_leased_at_once_than_it_has_places(house: House) -> None:
    await limited(house, max_concurrency_per_key=2)
    await add_many(house, 5, concurrency_key="a")
    await add_many(house, 1, concurrency_key="b")
    assert await house.lease(10) == []

    assert await admit(house) == 3
    assert await admit(house) == 0
    assert len(await house.lease(10)) == 3


@pytest.mark.parametrize("outcome", [Succeeded(), FATAL, FAILED, Snoozed(delay=HOUR)])
async def test_a_lease_that_ends_leaves_its_place_to_the_next(house: House, outcome: Outcome) -> None:
    await limited(house, max_concurrency_per_key=1)
    await add_many(house, 3, concurrency_key="a")
    await admit(house)
    lease = await house.lease_one()

    await house.settle(lease, outcome)

    assert await admit(house) == 1
    assert (await house.lease_one()).job_id != lease.job_id


async def test_a_job_that_is_given_back_waits_for_a_place_again_and_gets_it_first(house: House) -> None:
    await limited(house, max_concurrency_per_key=1)
    await add_many(house, 2, concurrency_key="a")
    await admit(house)
    lease = await house.lease_one()
    await house.settle(lease, Released())
    assert await house.lease(10) == []
    assert await admit(house) == 1


async def test_without_a_limit_a_concurrency_key_holds_nothing_up(house: House) -> None:
    await add_many(house, 5, concurrency_key="a")
    assert await admit(house) == 5


async def test_a_limit_that_is_new_holds_for_jobs_at_the_front_as_well(house: House) -> None:
    await add_many(house, 5, concurrency_key="a")
    await admit(house)
    await limited(house, max_concurrency_per_key=2)
    await house.sql.execute("SELECT gosynq.hold_again('q')")
    assert await house.lease(10) == []
    assert await admit(house) == 2


async def test_rivals_that_admit_together_exceed_no_limit(house: House) -> None:
    await limited(house, max_concurrency_per_key=2)
    for key in ("a", "b", "c"):
        await add_many(house, 10, concurrency_key=key)
    async with asyncio.TaskGroup() as tasks:
        rivals = [tasks.create_task(admit(house)) for _ in range(4)]
    assert sum(rival.result() for rival in rivals) == 6


async def test_jobs_with_one_ordering_key_run_one_after_another_as_they_came(house: House) -> None:
    added = [added.job_id for added in await add_many(house, 3, ordering_key="a")]
    ran: list[str] = []
    while await admit(house):
        (lease,) = await house.lease(10)
        assert await admit(house) == 0
        ran.append(lease.job_id)
        await house.settle(lease, Succeeded())
    assert ran == sorted(added)


async def test_a_job_that_is_to_be_tried_again_goes_before_those_behind_it(house: House) -> None:
    await add_many(house, 2, ordering_key="a")
    lease = await _first(house)
    await house.settle(lease, FAILED)
    assert await admit(house) == 0

    await house.make_due()

    assert (await _first(house)).job_id == lease.job_id


async def test_a_job_that_is_failed_for_good_is_no_longer_in_the_way(house: House) -> None:
    first, second = sorted(added.job_id for added in await add_many(house, 2, ordering_key="a"))
    lease = await _first(house)
    assert lease.job_id == first
    await house.settle(lease, FATAL)
    assert (await _first(house)).job_id == second


async def test_a_later_start_of_the_first_holds_up_the_others(house: House) -> None:
    await house.add(ordering_key="a", delay=HOUR)
    await house.add(ordering_key="a")
    assert await admit(house) == 0


async def test_a_dead_letter_that_is_retried_does_not_run_beside_a_later_one(house: House) -> None:
    await add_many(house, 2, ordering_key="a")
    dead = await _first(house)
    await house.settle(dead, FATAL)
    running = await _first(house)
    await house.jobs.retry(dead.job_id, run_at=None)
    await house.make_due()
    assert await admit(house) == 0
    await house.settle(running, Succeeded())
    assert (await _first(house)).job_id == dead.job_id


async def test_jobs_that_wait_for_a_key_can_be_cancelled_deleted_and_put_off(house: House) -> None:
    ids = [added.job_id for added in await add_many(house, 4, ordering_key="a")]
    ids.sort()
    await house.jobs.cancel(ids[0], reason="", force=False)
    await house.jobs.delete(ids[1], force=False, allow_missing=False)
    job = await house.jobs.retry(ids[2], run_at=(await house.job(ids[2])).created_at + HOUR)
    assert await admit(house) == 0
    await house.jobs.retry(job.id, run_at=None)
    await house.make_due()
    assert (await _first(house)).job_id == ids[2]


async def test_the_admitter_looks_as_soon_as_a_job_waits_or_ends_where_jobs_wait(house: House) -> None:
    signal = Signal()
    admitter = Admitter(house.database, house.wakeups, signal=signal)
    house.wakeups.add(admitter)
    await house.add(kind="other")
    assert not await signal.wait(0)

    await add_many(house, 2, ordering_key="a")
    assert await signal.wait(0)
    assert await admitter.run_once() >= timedelta(seconds=1)
    lease = await house.lease_one()
    await house.settle(lease, Succeeded())
    assert await signal.wait(0)
    await admitter.run_once()
    assert house.heard.ready[-1] == "q"
    assert await house.lease(10) != []


async def _first(house: House) -> Lease:
    await admit(house)
    return await house.lease_one()
