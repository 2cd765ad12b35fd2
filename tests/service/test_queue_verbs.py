"""Queues are listed, changed field by field, paused exactly, and drained."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import (
    EtagMismatch,
    PageTokenInvalid,
    PayloadTooLarge,
    QueueDeleting,
    QueueDraining,
    QueueNotFound,
)
from gosynq_server.domain.job import JobSpec, JobStatus, Priority
from gosynq_server.domain.queue import QueueLimits, QueueState
from gosynq_server.domain.queue_settings import QueueSettings, QueueUpdate, leaves_of
from gosynq_server.domain.retry import RetryPolicyOverride
from tests.service.house import DAY, FAILED, HOUR, SECOND, House, until_blocked_by

EVERYTHING = QueueSettings(
    description="mails",
    max_concurrency=5,
    max_leases_per_second=2.5,
    lease_burst=7,
    max_pending=100,
    max_payload_bytes=99,
    max_concurrency_per_key=2,
    priority=Priority.HIGH,
    max_retries=0,
    retry_policy=RetryPolicyOverride(jitter=0.0, initial_backoff=SECOND),
    lease_duration=timedelta(seconds=90),
    attempt_timeout=HOUR,
    retention=2 * DAY,
    dead_letter_retention=3 * DAY,
    max_deliveries=2,
    priority_ageing=timedelta(minutes=1),
    strict_priorities=True,
    fairness_weights={"acme": 3, "": 2},
)


def _update(settings: QueueSettings = EVERYTHING, *paths: str, **options: Any) -> QueueUpdate:
    return QueueUpdate(name="q", settings=settings, paths=leaves_of(paths or ["*"]), **options)


async def test_a_queue_is_made_and_read_as_it_was_said(house: House) -> None:
    made = await house.queue_verbs.update(_update(allow_missing=True))

    assert (await house.queue_verbs.get("q")).details == made
    assert (made.name, made.state, made.settings) == ("q", QueueState.ACTIVE, EVERYTHING)


async def test_what_a_queue_says_holds_for_its_jobs(house: House) -> None:
    await house.queue_verbs.update(_update(allow_missing=True))

    queue = await house.queues.get("q")
    job = await house.job(await house.add())

    assert queue.limits == QueueLimits(
        max_concurrency=5, max_concurrency_per_key=2, max_leases_per_second=2.5, lease_burst=7, max_pending=100
    )
    assert (job.priority, job.max_retries, job.max_deliveries) == (Priority.HIGH, 0, 2)
    assert (job.lease_duration, job.attempt_timeout, job.retention) == (timedelta(seconds=90), HOUR, 2 * DAY)
    assert (job.retry_policy.jitter, job.retry_policy.initial_backoff) == (0.0, SECOND)
    with pytest.raises(PayloadTooLarge):
        await house.add(payload=b'"' + b"x" * 98 + b'"')


async def test_a_lease_and_the_end_of_a_job_go_by_the_queue(house: House) -> None:
    await house.queue_verbs.update(_update(allow_missing=True))
    failing, done = await house.started(), await house.started()
    await house.settle(failing, FAILED)
    await house.settle(done, Succeeded())

    kept = {
        row["status"]: row["days"]
        for row in await house.sql.fetch(
            "SELECT status, prune_on - (finished_at AT TIME ZONE 'UTC')::date AS days FROM gosynq.finished"
        )
    }
    assert (failing.lease_duration, failing.attempt_timeout) == (timedelta(seconds=90), HOUR)
    assert kept == {"failed": 4, "completed": 3}


async def test_an_update_of_one_field_leaves_the_others(house: House) -> None:
    await house.queue_verbs.update(_update(allow_missing=True))

    after = await house.queue_verbs.update(_update(QueueSettings(max_pending=5), "limits.max_pending", "description"))

    assert (after.settings.max_pending, after.settings.description) == (5, "")
    assert after.settings.max_concurrency == 5


async def test_an_update_changes_the_etag_and_one_that_changes_nothing_does_not(house: House) -> None:
    first = await house.queue_verbs.update(_update(allow_missing=True))

    same = await house.queue_verbs.update(_update(etag=first.etag))
    other = await house.queue_verbs.update(_update(QueueSettings(), etag=first.etag))

    assert same.etag == first.etag != other.etag
    with pytest.raises(EtagMismatch) as refusal:
        await house.queue_verbs.update(_update(etag=first.etag))
    assert refusal.value.metadata == {"etag": other.etag}


@pytest.mark.parametrize("options", [{}, {"etag": "x"}, {"etag": "x", "allow_missing": True}])
async def test_a_queue_that_is_not_there_is_not_updated(house: House, options: dict[str, Any]) -> None:
    with pytest.raises(QueueNotFound):
        await house.queue_verbs.update(_update(**options))
    with pytest.raises(QueueNotFound):
        await house.queue_verbs.get("q")


async def test_a_change_is_seen_at_once_here_and_told_to_others(house: House, elsewhere: House) -> None:
    await house.add()
    await house.queues.get("q"), await elsewhere.queues.get("q")

    await house.queue_verbs.update(_update(QueueSettings(max_retries=9)))

    assert (await house.queues.get("q")).defaults.max_retries == 9
    assert (await elsewhere.queues.get("q")).defaults.max_retries == 4
    elsewhere.wakeups.queue_changed("q")
    assert (await elsewhere.queues.get("q")).defaults.max_retries == 9


async def test_what_was_read_before_a_change_is_not_remembered(house: House) -> None:
    await house.add()
    house.forget_settings()
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE gosynq.queues IN ACCESS EXCLUSIVE MODE")
            reading = asyncio.create_task(house.queues.get("q"))
            await until_blocked_by(house.sql, connection.get_server_pid())
            house.wakeups.queue_changed("q")
        await reading
    finally:
        await connection.close()

    house.database.names.clear()
    await house.queues.get("q")
    assert house.database.names == ["queues_get"]


async def test_a_new_limit_of_pending_jobs_is_counted_anew(house: House) -> None:
    await house.sql.execute("INSERT INTO gosynq.queue_rooms (queue, room) VALUES ('q', 5)")

    await house.queue_verbs.update(_update(allow_missing=True))

    assert await house.sql.fetchval("SELECT room FROM gosynq.queue_rooms") == 0


async def test_a_new_limit_of_pending_jobs_waits_for_those_that_are_let_in_by_the_old_one(house: House) -> None:
    await house.queue_verbs.update(_update(QueueSettings(max_pending=100), allow_missing=True))
    await house.sql.execute("DELETE FROM gosynq.queue_rooms")
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            assert await connection.fetchval("SELECT gosynq.take_room('q', 1)") == 1
            changing = asyncio.create_task(house.queue_verbs.update(_update(QueueSettings(max_pending=5))))
            await until_blocked_by(house.sql, connection.get_server_pid())
        await changing
    finally:
        await connection.close()
    assert await house.sql.fetchval("SELECT gosynq.take_room('q', 10)") == 5


async def test_jobs_in_front_wait_again_where_their_key_gets_a_limit(house: House) -> None:
    ready = await house.add()
    await house.sql.execute("UPDATE gosynq.ready SET concurrency_key = 'c'")

    await house.queue_verbs.update(_update())

    assert await house.stage(ready) == "scheduled"


async def test_a_new_limit_of_a_key_waits_for_the_jobs_that_are_let_to_the_front_by_the_old_one(house: House) -> None:
    held = await house.add(concurrency_key="c")
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            assert await connection.fetchval("SELECT gosynq.admit('q', '{c}', '{}', 10)") == 1
            changing = asyncio.create_task(house.queue_verbs.update(_update()))
            await until_blocked_by(house.sql, connection.get_server_pid())
        await changing
    finally:
        await connection.close()
    assert await house.stage(held) == "scheduled"


async def test_no_lease_starts_after_a_pause_until_it_is_resumed(house: House) -> None:
    job = await house.add()

    paused = await house.queue_verbs.pause("q", reason="upgrade")

    assert (paused.state, paused.state_reason) == (QueueState.PAUSED, "upgrade")
    assert await house.lease() == []
    resumed = await house.queue_verbs.resume("q")
    assert (resumed.state, resumed.state_reason) == (QueueState.ACTIVE, "")
    assert (await house.lease_one()).job_id == job


async def test_a_pause_waits_for_the_leases_that_are_being_granted(house: House) -> None:
    job = await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            taken = await connection.fetch("SELECT gosynq.lock_ready('q', NULL, 1)")
            pausing = asyncio.create_task(house.queue_verbs.pause("q", reason=""))
            await until_blocked_by(house.sql, connection.get_server_pid())
            assert taken
        await pausing
    finally:
        await connection.close()
    assert await house.stage(job) == "ready"


async def test_a_pause_changes_its_reason_and_a_repeat_changes_nothing(house: House) -> None:
    await house.add()
    first = await house.queue_verbs.pause("q", reason="a")

    assert await house.queue_verbs.pause("q", reason="a") == first
    second = await house.queue_verbs.pause("q", reason="b")
    assert (second.state_reason, second.state_changed_at) == ("b", first.state_changed_at)
    assert second.etag != first.etag


async def test_a_draining_queue_hands_out_what_it_has_and_takes_nothing(house: House) -> None:
    job = await house.add()
    await house.queue_verbs.pause("q", reason="")

    await house.queue_verbs.drain("q", reason="end of season")

    with pytest.raises(QueueDraining):
        await house.add()
    assert (await house.lease_one()).job_id == job


@pytest.mark.parametrize("verb", ["pause", "drain", "resume"])
async def test_a_queue_that_is_not_there_or_going_gets_no_state(house: House, verb: str) -> None:
    options = {} if verb == "resume" else {"reason": ""}
    with pytest.raises(QueueNotFound):
        await getattr(house.queue_verbs, verb)("q", **options)
    await house.sql.execute("INSERT INTO gosynq.queues (name, is_deleting) VALUES ('q', true)")
    with pytest.raises(QueueDeleting):
        await getattr(house.queue_verbs, verb)("q", **options)


async def test_queues_are_listed_page_by_page(house: House) -> None:
    for name in ("b", "a", "c"):
        await house.add(queue=name)

    first = await house.queue_verbs.list(page_size=2, page_token="", with_stats=False)
    second = await house.queue_verbs.list(page_size=2, page_token=first.next_page_token, with_stats=True)

    assert [shown.details.name for shown in first.queues] == ["a", "b"]
    assert [shown.stats for shown in first.queues] == [None, None]
    assert [(shown.details.name, shown.stats and shown.stats.ready) for shown in second.queues] == [("c", 1)]
    assert second.next_page_token == ""
    for token in ("x", "!", first.next_page_token[:-1], "B" + first.next_page_token[1:], "A" * 40):
        with pytest.raises(PageTokenInvalid):
            await house.queue_verbs.list(page_size=2, page_token=token, with_stats=False)


async def test_an_enqueue_with_a_key_that_is_held_is_answered_by_a_draining_queue(house: House) -> None:
    job = await house.add(idempotency_key="k")
    await house.queue_verbs.drain("q", reason="")

    assert await house.add(idempotency_key="k") == job
    assert (await house.job(job)).status is JobStatus.PENDING


async def _fetch(server: House, leased: list[datetime], got: asyncio.Event) -> None:
    while len(leased) < 120:
        if leases := await server.lease(2):
            leased.extend(lease.leased_at for lease in leases)
            got.set()


async def test_no_lease_starts_between_a_pause_and_a_resume_while_servers_fetch(house: House, elsewhere: House) -> None:
    for _ in range(120):
        await house.add()
    leased: list[datetime] = []
    paused: list[tuple[datetime, datetime]] = []
    got = asyncio.Event()

    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        for server in (house, elsewhere, house, elsewhere):
            tasks.create_task(_fetch(server, leased, got))
        while len(leased) < 120:
            await house.queue_verbs.pause("q", reason="")
            begun = await _now(house)
            got.clear()
            for _ in range(3):
                assert await elsewhere.lease() == []
            paused.append((begun, await _now(house)))
            await elsewhere.queue_verbs.resume("q")
            if len(leased) < 120:
                await got.wait()

    assert [at for at in leased for begun, ended in paused if begun < at < ended] == []
    assert len(paused) > 1


async def _now(house: House) -> datetime:
    now: datetime = await house.database.fetch_value("database_time")
    return now


async def _use_up(house: House, rate: float, burst: int) -> None:
    await house.queue_verbs.update(
        _update(QueueSettings(max_leases_per_second=rate, lease_burst=burst), allow_missing=True)
    )
    await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k")] * 30)
    assert len(await house.lease(30)) == burst


async def test_a_raised_rate_does_not_wait_for_what_the_old_one_used(house: House) -> None:
    await _use_up(house, 0.001, 5)
    await house.queue_verbs.update(_update(QueueSettings(max_leases_per_second=0.1, lease_burst=8)))
    assert len(await house.lease(30)) == 3
    await house.sql.execute("UPDATE gosynq.queue_turns SET next_lease_at = next_lease_at - interval '10 seconds'")
    assert len(await house.lease(30)) == 1


async def test_a_lowered_rate_has_what_is_used_waited_for_at_the_new_one(house: House) -> None:
    await _use_up(house, 0.5, 5)
    await house.queue_verbs.update(_update(QueueSettings(max_leases_per_second=0.001, lease_burst=3)))
    assert await house.lease(30) == []
    await house.sql.execute("UPDATE gosynq.queue_turns SET next_lease_at = next_lease_at - interval '990 seconds'")
    assert await house.lease(30) == []
    await house.sql.execute("UPDATE gosynq.queue_turns SET next_lease_at = next_lease_at - interval '10 seconds'")
    assert len(await house.lease(30)) == 1


async def test_a_rate_that_is_taken_away_leaves_nothing_to_wait_for(house: House) -> None:
    await _use_up(house, 0.001, 5)
    await house.queue_verbs.update(_update(QueueSettings()))
    await house.queue_verbs.update(_update(QueueSettings(max_leases_per_second=0.001, lease_burst=7)))
    assert len(await house.lease(30)) == 7
