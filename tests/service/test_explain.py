"""Why a job is not running: told for every state that it can be in, and held against what a fetch then does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.explanation import Hold, HoldType
from gosynq_server.domain.job import Priority
from gosynq_server.store import keys
from tests.service.house import FAILED, FATAL, HOUR, House
from tests.service.test_queue_limits import add_many, limited


async def worker(house: House, *, queues: Sequence[str] = (), kinds: Sequence[str] = (), room: int = 10) -> None:
    """Put a worker into the list."""
    await house.sql.execute(
        "INSERT INTO gosynq.workers (worker_id, server_id, session_id, queues, weights, limits, kinds, make,"
        " max_in_flight, connected_at, last_seen_at, renewed_at) VALUES ('w', 's', 's', $1, "
        " array_fill(1, ARRAY[$4::integer]),"
        " array_fill(0, ARRAY[$4::integer]), $2, '{}', $3, now(), now(), now())",
        list(queues),
        list(kinds),
        room,
        len(queues),
    )


async def holds(house: House, job_id: str) -> list[Hold]:
    return list((await house.jobs.explain(job_id))[1])


async def types(house: House, job_id: str) -> list[HoldType]:
    return [hold.type for hold in await holds(house, job_id)]


async def test_nothing_holds_a_job_that_the_next_free_worker_takes(house: House) -> None:
    await worker(house)
    assert await types(house, await house.add()) == []


async def test_a_job_without_workers_for_its_queue_or_its_kind(house: House) -> None:
    job = await house.add()
    assert await types(house, job) == [HoldType.NO_WORKER_FOR_QUEUE]
    await worker(house, queues=["q"], kinds=["other"])
    (hold,) = await holds(house, job)
    assert (hold.type, hold.count) == (HoldType.NO_WORKER_FOR_KIND, 1)
    assert "'k'" in hold.message


async def test_a_job_whose_workers_are_full(house: House) -> None:
    await worker(house, room=1)
    await house.started()
    (hold,) = await holds(house, await house.add())
    assert (hold.type, hold.count) == (HoldType.WORKERS_BUSY, 1)


async def test_a_job_that_is_not_due_and_one_that_backs_off(house: House) -> None:
    await worker(house)
    later = await house.add(delay=HOUR)
    (hold,) = await holds(house, later)
    assert (hold.type, hold.until) == (HoldType.NOT_DUE, (await house.job(later)).run_at)
    lease = await house.started()
    await house.settle(lease, FAILED)
    (hold,) = await holds(house, lease.job_id)
    assert (hold.type, hold.until) == (HoldType.BACKING_OFF, (await house.job(lease.job_id)).run_at)


async def test_a_job_of_a_paused_queue_is_told_why(house: House) -> None:
    await worker(house)
    job = await house.add()
    await limited(house, state="paused", state_reason="a deployment")
    (hold,) = await holds(house, job)
    assert (hold.type, hold.message) == (HoldType.QUEUE_PAUSED, "queue q is paused: a deployment")


async def test_a_job_under_strict_priorities_is_told_how_many_are_ahead(house: House) -> None:
    await worker(house)
    await limited(house, strict_priorities=True)
    await add_many(house, 2, priority=Priority.CRITICAL)
    (hold,) = await holds(house, await house.add(priority=Priority.HIGH))
    assert (hold.type, hold.count) == (HoldType.JOBS_AHEAD, 2)


async def test_a_job_whose_queue_has_reached_its_concurrency(house: House) -> None:
    await worker(house)
    await limited(house, max_concurrency=1)
    await house.started()
    (hold,) = await holds(house, await house.add())
    assert (hold.type, hold.count, hold.limit) == (HoldType.QUEUE_CONCURRENCY, 1, 1)


async def test_a_job_whose_queue_has_used_up_its_rate(house: House) -> None:
    await worker(house)
    await limited(house, max_leases_per_second=0.1, lease_burst=2)
    await add_many(house, 3)
    await house.lease(3)
    job: str = await house.sql.fetchval("SELECT id::text FROM gosynq.ready")
    (hold,) = await holds(house, job)
    started = await house.sql.fetchval("SELECT min(leased_at) FROM gosynq.running")
    assert hold.type == HoldType.QUEUE_RATE
    assert hold.until is not None
    assert abs(hold.until - started - timedelta(seconds=10)) < timedelta(milliseconds=1)


async def test_a_rate_that_opens_after_all_moments_is_told_by_the_last_one(house: House) -> None:
    await worker(house)
    await limited(house, max_leases_per_second=0.000001, lease_burst=1_000_000)
    await add_many(house, 3)
    await house.lease(2)
    job: str = await house.sql.fetchval("SELECT id::text FROM gosynq.ready")
    assert await types(house, job) == []
    await house.sql.execute("UPDATE gosynq.queue_turns SET next_lease_at = '200000-01-01'")
    (hold,) = await holds(house, job)
    assert hold.until is not None
    assert hold.until.year == 9999


async def test_a_job_whose_keys_have_no_place(house: House) -> None:
    await worker(house)
    await limited(house, max_concurrency_per_key=1)
    await add_many(house, 2, concurrency_key="a")
    await add_many(house, 2, ordering_key="b")
    await keys.admit(house.database, "q", limit=10)
    first: str = await house.sql.fetchval("SELECT id::text FROM gosynq.ready WHERE ordering_key = 'b'")
    waiting = {
        row["noun"]: row["id"]
        for row in await house.sql.fetch(
            "SELECT id::text, coalesce(concurrency_key, ordering_key) AS noun FROM gosynq.scheduled"
        )
    }
    (by_key,) = await holds(house, waiting["a"])
    assert (by_key.type, by_key.count, by_key.limit) == (HoldType.KEY_CONCURRENCY, 1, 1)
    (by_order,) = await holds(house, waiting["b"])
    assert (by_order.type, first in by_order.message) == (HoldType.ORDERING_KEY, True)


async def test_a_job_behind_others_is_told_how_many(house: House) -> None:
    await worker(house)
    await add_many(house, 3)
    (hold,) = await holds(house, await house.add())
    assert (hold.type, hold.count) == (HoldType.JOBS_AHEAD, 3)


async def test_a_job_that_was_not_started_in_time_is_no_longer_ahead_of_others(house: House) -> None:
    await worker(house)
    expired = await house.add(expires_at=datetime.now(UTC) - HOUR)
    assert await types(house, expired) == [HoldType.EXPIRED]
    assert await types(house, await house.add()) == []


async def test_a_leased_job_and_a_terminal_one(house: House) -> None:
    lease = await house.started()
    (hold,) = await holds(house, lease.job_id)
    assert (hold.type, hold.worker_id) == (HoldType.LEASED, "w")
    assert hold.until == (await house.job(lease.job_id)).lease_expires_at
    await house.settle(lease, FATAL)
    assert await types(house, lease.job_id) == [HoldType.TERMINAL]


async def test_everything_that_holds_a_job_is_told_what_needs_somebody_first(house: House) -> None:
    await limited(house, max_concurrency=1)
    await house.started()
    await add_many(house, 1)
    job = await house.add()
    await limited(house, state="paused")
    assert await types(house, job) == [
        HoldType.QUEUE_PAUSED,
        HoldType.NO_WORKER_FOR_QUEUE,
        HoldType.QUEUE_CONCURRENCY,
        HoldType.JOBS_AHEAD,
    ]


async def test_a_job_is_taken_when_what_held_it_is_gone(house: House) -> None:
    await worker(house)
    await limited(house, max_concurrency=1)
    lease = await house.started()
    job = await house.add()
    assert await types(house, job) == [HoldType.QUEUE_CONCURRENCY]
    await house.settle(lease, Succeeded())
    assert await types(house, job) == []
    assert (await house.lease_one()).job_id == job
