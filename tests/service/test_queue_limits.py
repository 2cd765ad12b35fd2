"""What a queue hands out at most, and in which order: concurrency, rate, priorities that age, and keys in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby

import pytest

from gosynq_client.worker.leases import Lease, Result
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.service.enqueue import Enqueued
from tests.service.house import HOUR, House, until_blocked_by


async def limited(house: House, **settings: object) -> None:
    """Make the queue q with these settings."""
    await house.sql.execute("INSERT INTO gosynq.queues (name) VALUES ('q') ON CONFLICT DO NOTHING")
    for name, value in settings.items():
        await house.sql.execute(f"UPDATE gosynq.queues SET {name} = $1 WHERE name = 'q'", value)  # noqa: S608 - ours


async def add_many(house: House, count: int, **spec: object) -> list[Enqueued]:
    return await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k", **spec)] * count)  # type: ignore[arg-type] # a spec's


def done(leases: Sequence[Lease]) -> list[Result]:
    return [Result(lease=lease, outcome=Succeeded()) for lease in leases]


async def test_no_more_jobs_are_leased_at_once_than_the_queue_may_have(house: House) -> None:
    await limited(house, max_concurrency=3)
    await add_many(house, 10)
    first = await house.lease(10)
    assert len(first) == 3
    assert await house.lease(10) == []

    ended = await house.exchange(*done(first[:2]), wanted=10)

    assert len(ended.leases) == 2


async def test_a_queue_with_a_concurrency_of_zero_hands_out_nothing(house: House) -> None:
    await limited(house, max_concurrency=0)
    await add_many(house, 2)
    assert await house.lease(10) == []


async def test_rivals_together_get_no_more_than_the_queue_may_have(house: House) -> None:
    await limited(house, max_concurrency=7)
    await add_many(house, 40)
    async with asyncio.TaskGroup() as tasks:
        rivals = [tasks.create_task(house.lease(3, worker=f"w{number}")) for number in range(8)]
    assert sum(len(rival.result()) for rival in rivals) == 7


async def test_a_burst_is_leased_at_once_and_then_one_job_at_a_time(house: House) -> None:
    await limited(house, max_leases_per_second=10.0, lease_burst=4)
    await add_many(house, 10)
    assert len(await house.lease(10)) == 4
    assert await house.lease(10) == []
    await house.sql.execute("UPDATE gosynq.queue_turns SET next_lease_at = next_lease_at - interval '0.2 seconds'")
    assert 2 <= len(await house.lease(10)) <= 3


async def test_without_a_burst_a_second_may_be_leased_at_once(house: House) -> None:
    await limited(house, max_leases_per_second=2.5)
    await add_many(house, 10)
    assert len(await house.lease(10)) == 3


async def test_a_rate_is_kept_whatever_the_moments_at_which_rivals_began(house: House) -> None:
    await limited(house, max_leases_per_second=0.001, lease_burst=5)
    await add_many(house, 40)
    async with asyncio.TaskGroup() as tasks:
        rivals = [tasks.create_task(house.lease(2, worker=f"w{number}")) for number in range(8)]
    assert sum(len(rival.result()) for rival in rivals) == 5


async def test_a_lower_priority_that_has_waited_long_enough_goes_first(house: House) -> None:
    (low,) = await add_many(house, 1, priority=Priority.LOW)
    await house.sql.execute("UPDATE gosynq.ready SET rank = rank - interval '31 minutes'")
    await add_many(house, 1, priority=Priority.CRITICAL)
    assert (await house.lease_one()).job_id == low.job_id


async def test_priorities_come_first_until_waiting_makes_up_for_them(house: House) -> None:
    await add_many(house, 1, priority=Priority.LOW)
    await house.sql.execute("UPDATE gosynq.ready SET rank = rank - interval '29 minutes'")
    (critical,) = await add_many(house, 1, priority=Priority.CRITICAL)
    assert (await house.lease_one()).job_id == critical.job_id


async def test_strict_priorities_never_age(house: House) -> None:
    await limited(house, strict_priorities=True)
    await add_many(house, 1, priority=Priority.LOW)
    await house.sql.execute("UPDATE gosynq.ready SET rank = rank - interval '300 years'")
    (critical,) = await add_many(house, 1, priority=Priority.CRITICAL)
    assert (await house.lease_one()).job_id == critical.job_id


async def test_a_key_with_many_jobs_does_not_hold_up_one_with_few(house: House) -> None:
    await add_many(house, 200, fairness_key="big")
    await add_many(house, 3, fairness_key="small")
    keys = await _keys_of(house, await house.lease(10))
    assert Counter(keys) == {"big": 7, "small": 3}
    assert keys[:6] in (["big", "small"] * 3, ["small", "big"] * 3)


async def test_the_turn_of_a_key_without_jobs_of_the_wanted_kinds_goes_to_the_next(house: House) -> None:
    await add_many(house, 3)
    await house.add(kind="other", fairness_key="b")
    await add_many(house, 3, fairness_key="c")
    keys = [key for _ in range(4) for key in await _keys_of(house, await house.lease(1, kinds=["k"]))]
    assert keys == ["", "c", "", "c"]


async def test_the_turn_of_a_key_whose_jobs_have_expired_goes_to_the_next(house: House) -> None:
    await house.add(fairness_key="a", expires_at=datetime.now(UTC) - HOUR)
    await add_many(house, 1, fairness_key="b")
    assert await _keys_of(house, await house.lease(1)) == ["b"]


async def test_jobs_without_a_key_are_those_of_one_more(house: House) -> None:
    await add_many(house, 10)
    await add_many(house, 10, fairness_key="a")
    assert Counter(await _keys_of(house, await house.lease(8))) == {"": 4, "a": 4}


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 60])
async def test_each_key_gets_its_weight_at_each_turn_however_few_are_asked_for_at_once(house: House, step: int) -> None:
    await limited(house, fairness_weights='{"a": 3, "c": 2}')
    for key in ("a", "b", "c"):
        await add_many(house, 40, fairness_key=key)
    keys: list[str] = []
    while len(keys) < 60:
        keys += await _keys_of(house, await house.lease(step))
    assert [(key, len(list(turn))) for key, turn in groupby(keys[:60])] == [("a", 3), ("b", 1), ("c", 2)] * 10


async def test_a_key_whose_jobs_are_used_up_leaves_its_turns_to_the_others(house: House) -> None:
    await limited(house, fairness_weights='{"a": 3}')
    await add_many(house, 4, fairness_key="a")
    await add_many(house, 50, fairness_key="b")
    await add_many(house, 50, fairness_key="c")
    assert Counter(await _keys_of(house, await house.lease(44))) == {"a": 4, "b": 20, "c": 20}


async def test_keys_are_served_in_turn_among_the_jobs_that_a_worker_can_run(house: House) -> None:
    await add_many(house, 150, fairness_key="a")
    for key in ("a", "b"):
        await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="rare", fairness_key=key)] * 5)
    leases = await house.lease(6, kinds=("rare",))
    assert [lease.kind for lease in leases] == ["rare"] * 6
    assert Counter(await _keys_of(house, leases)) == {"a": 3, "b": 3}


async def test_priorities_order_the_jobs_of_one_key(house: House) -> None:
    await add_many(house, 2, fairness_key="a", priority=Priority.LOW)
    (high,) = await add_many(house, 1, fairness_key="a", priority=Priority.HIGH)
    await add_many(house, 5, fairness_key="b", priority=Priority.CRITICAL)
    leases = await house.lease(2)
    assert high.job_id in {lease.job_id for lease in leases}
    assert Counter(await _keys_of(house, leases)) == {"a": 1, "b": 1}


async def test_a_halt_waits_for_a_fetch_that_began_and_holds_up_the_next(house: House) -> None:
    await add_many(house, 4)
    async with asyncio.TaskGroup() as tasks, house.sql.transaction():
        await house.sql.execute("SELECT gosynq.halt_leases('q')")
        fetch = tasks.create_task(house.lease(10))
        await until_blocked_by(house.sql, house.sql.get_server_pid())
        await house.sql.execute("UPDATE gosynq.queues SET state = 'paused' WHERE name = 'q'")
    assert fetch.result() == []


async def _keys_of(house: House, leases: Sequence[Lease]) -> list[str]:
    rows = await house.sql.fetch(
        "SELECT id::text, fairness_key FROM gosynq.jobs WHERE id = ANY($1::text []::uuid [])",
        [lease.job_id for lease in leases],
    )
    keys = {row["id"]: row["fairness_key"] for row in rows}
    return [keys[lease.job_id] for lease in leases]
