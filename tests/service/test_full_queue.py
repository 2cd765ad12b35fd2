"""A queue with max_pending takes no more jobs than that, whoever asks."""

from __future__ import annotations

import asyncio

import pytest

from gosynq_client.worker.outcomes import Released, Succeeded
from gosynq_server.domain.errors import QueueFull
from gosynq_server.domain.job import JobId, JobSpec
from gosynq_server.store import jobs
from gosynq_server.store.jobs import Start
from tests.service.house import FATAL, HOUR, House
from tests.service.test_queue_limits import add_many, limited


async def pending(house: House) -> int:
    count: int = await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs WHERE status = 'pending'")
    return count


async def test_a_full_queue_refuses_the_next_job_and_says_its_limit(house: House) -> None:
    await limited(house, max_pending=3)
    await add_many(house, 2)
    await house.add(delay=HOUR)
    with pytest.raises(QueueFull) as refusal:
        await house.add()
    assert refusal.value.metadata == {"queue": "q", "limit": "3"}
    assert await pending(house) == 3


async def test_a_batch_for_which_there_is_no_room_is_refused_whole(house: House) -> None:
    await limited(house, max_pending=3)
    with pytest.raises(QueueFull):
        await add_many(house, 4)
    assert await pending(house) == 0
    await add_many(house, 3)


async def test_of_jobs_that_stand_for_themselves_those_that_fit_are_taken(house: House) -> None:
    await limited(house, max_pending=3)
    answers = await house.enqueuer.enqueue_each([JobSpec(queue="q", kind="k")] * 5)
    assert [isinstance(answer, QueueFull) for answer in answers] == [False] * 3 + [True] * 2


async def test_rivals_together_add_no_more_than_there_is_room_for(house: House) -> None:
    await limited(house, max_pending=20)
    async with asyncio.TaskGroup() as tasks:
        rivals = [tasks.create_task(house.enqueuer.enqueue_each([JobSpec(queue="q", kind="k")] * 6)) for _ in range(8)]
    assert sum(not isinstance(answer, QueueFull) for rival in rivals for answer in rival.result()) == 20
    assert await pending(house) == 20


async def test_a_lease_makes_room_for_another_job(house: House) -> None:
    await limited(house, max_pending=2)
    await add_many(house, 2)
    lease = await house.lease_one()
    await house.add()
    with pytest.raises(QueueFull):
        await house.add()
    await house.settle(lease, Succeeded())
    with pytest.raises(QueueFull):
        await house.add()


async def test_what_comes_back_to_wait_is_never_refused_and_counts(house: House) -> None:
    await limited(house, max_pending=2)
    await add_many(house, 2)
    lease = await house.lease_one()
    await house.add()
    await house.settle(lease, Released())
    assert await pending(house) == 3
    with pytest.raises(QueueFull):
        await house.add()


async def test_a_dead_letter_that_is_retried_takes_room(house: House) -> None:
    await limited(house, max_pending=2)
    dead = await house.started()
    await house.settle(dead, FATAL)
    await house.settle(await house.started(), Succeeded())
    await house.add()
    await house.jobs.retry(dead.job_id, run_at=None)
    with pytest.raises(QueueFull):
        await house.add()


async def test_a_dead_letter_that_is_moved_here_takes_room(house: House) -> None:
    await limited(house, max_pending=2)
    lease = await house.started(queue="other")
    await house.settle(lease, FATAL)
    await house.add()
    dead = [JobId(lease.job_id)]
    await jobs.move_dead_letters(house.database, "other", dead, start=Start(run_at=None), target="q")
    with pytest.raises(QueueFull):
        await house.add()


async def test_the_repeat_of_an_enqueue_is_answered_by_a_full_queue(house: House) -> None:
    await limited(house, max_pending=1)
    first = await house.add(idempotency_key="a")
    assert await house.add(idempotency_key="a") == first
    with pytest.raises(QueueFull):
        await house.add(idempotency_key="b")


async def test_a_queue_that_may_have_none_takes_none(house: House) -> None:
    await limited(house, max_pending=0)
    with pytest.raises(QueueFull):
        await house.add()
