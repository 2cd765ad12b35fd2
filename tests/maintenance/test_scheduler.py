"""Schedules fire what is due, each due time once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gosynq_server.domain.job import Job, JobId, JobSpec, JobStatus
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy, Schedule, ScheduleSpec
from gosynq_server.maintenance.loop import repeat
from gosynq_server.maintenance.scheduler import Scheduler
from gosynq_server.service.firing import HELD_BACK_FOR, Firer
from gosynq_server.service.superseding import Superseder
from gosynq_server.service.wakeups import Signal
from tests.service.house import DAY, HOUR, SECOND, WINDOW, House, open_house
from tests.service.invariants import events_of

JOB = JobSpec(queue="q", kind="k")
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def elsewhere(house: House) -> AsyncIterator[House]:
    """Give another server over the same database."""
    async with open_house(house.url) as opened:
        yield opened


async def _create(house: House, schedule_id: str = "s", **said: Any) -> Schedule:
    said.setdefault("job", JOB)
    if not said.keys() & {"cron", "once"}:
        said.setdefault("interval", HOUR)
    return await house.schedules.create(ScheduleSpec(id=schedule_id, **said))


async def _make_due(house: House, *, ago: timedelta = timedelta(), schedule_id: str = "s") -> datetime:
    """Let a schedule of an interval be due since then; return its due time."""
    due: datetime = await house.sql.fetchval(
        "UPDATE gosynq.schedules SET next_run_at = statement_timestamp() - $2::interval,"
        " look_at = statement_timestamp() - $2::interval, created_at = statement_timestamp() - $2::interval - every"
        " WHERE id = $1 RETURNING next_run_at",
        schedule_id,
        ago,
    )
    return due


async def _fire(house: House) -> timedelta:
    return await Scheduler(house.database, house.firer).run_once()


async def _jobs(house: House) -> list[Job]:
    rows = await house.sql.fetch("SELECT id::text FROM gosynq.jobs ORDER BY id")
    return [await house.job(row["id"]) for row in rows]


async def _state(house: House, schedule_id: str = "s") -> tuple[datetime | None, datetime | None, str | None, str]:
    found = await house.schedules.get(schedule_id)
    return found.next_run_at, found.last_run_at, found.last_job_id, found.held_back


async def test_what_is_due_makes_a_job_and_the_schedule_moves_on(house: House) -> None:
    created = await _create(house)
    due = await _make_due(house)
    await _fire(house)

    (job,) = await _jobs(house)
    assert (job.kind, job.schedule_id, job.run_at, job.stage) == ("k", "s", due, "ready")
    assert await _state(house) == (due + HOUR, due, job.id, "")
    assert (await house.schedules.get("s")).version == created.version
    assert house.heard.ready == ["q"]


async def test_nothing_is_fired_twice_however_often_it_is_looked_at(house: House, elsewhere: House) -> None:
    await _create(house)
    await _make_due(house)
    for server in (house, elsewhere, house):
        await _fire(server)
    assert len(await _jobs(house)) == 1


async def test_a_firing_that_happened_before_is_not_made_again_where_the_clock_went_back(house: House) -> None:
    await _create(house)
    due = await _make_due(house)
    await _fire(house)
    (job,) = await _jobs(house)
    await house.schedules.update("s", lambda spec: replace(_spec(spec), job=replace(JOB, kind="other")))
    await house.sql.execute("UPDATE gosynq.schedules SET next_run_at = $1, look_at = $1", due)
    await _fire(house)

    assert [each.id for each in await _jobs(house)] == [job.id]
    assert await _state(house) == (due + HOUR, due, job.id, "")


def _spec(spec: ScheduleSpec | None) -> ScheduleSpec:
    assert spec is not None
    return spec


async def test_what_is_not_due_paused_or_over_does_not_fire(house: House) -> None:
    await _create(house, "later")
    await _create(house, "paused")
    await _make_due(house, schedule_id="paused")
    await house.schedules.pause("paused")
    once = await _create(house, "once", once=(await house.schedules.get("later")).created_at + HOUR)
    await house.sql.execute(
        "UPDATE gosynq.schedules SET once = statement_timestamp(), next_run_at = statement_timestamp(),"
        " look_at = statement_timestamp() WHERE id = 'once'"
    )
    assert once.next_run_at is not None
    await _fire(house)
    await _fire(house)

    assert [job.schedule_id for job in await _jobs(house)] == ["once"]
    assert (await _state(house, "once"))[0] is None


@pytest.mark.parametrize(("policy", "fired"), [(CatchUpPolicy.NONE, 0), (CatchUpPolicy.ONE, 1), (CatchUpPolicy.ALL, 4)])
async def test_after_an_outage_the_policy_says_what_is_caught_up(
    house: House, policy: CatchUpPolicy, fired: int
) -> None:
    await _create(house, catch_up_policy=policy)
    due = await _make_due(house, ago=3 * HOUR + 5 * MINUTE)
    await _fire(house)

    jobs = await _jobs(house)
    assert [job.run_at for job in jobs] == [due + HOUR * step for step in range(4 - fired, 4)]
    last = (jobs[-1].run_at, jobs[-1].id) if jobs else (None, None)
    assert await _state(house) == (due + 4 * HOUR, *last, "")


async def test_more_than_fits_into_one_transaction_is_fired_all_the_same(house: House) -> None:
    for number in range(12):
        await _create(house, f"s-{number}", interval=MINUTE, catch_up_policy=CatchUpPolicy.ALL)
        await _make_due(house, schedule_id=f"s-{number}", ago=DAY)
    await _fire(house)

    count = await house.sql.fetchval("SELECT count(DISTINCT (schedule_id, run_at)) FROM gosynq.jobs")
    assert count == await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 1200


async def test_jitter_puts_the_job_off_not_the_firing(house: House) -> None:
    await _create(house, jitter=10 * MINUTE)
    due = await _make_due(house)
    superseder = Superseder(house.queues, house.wakeups, window=WINDOW)
    await Firer(house.database, house.enqueuer, superseder, chance=lambda: 0.5).fire(limit=10)

    (job,) = await _jobs(house)
    assert due + 5 * MINUTE <= job.run_at < due + 6 * MINUTE
    assert job.stage == "scheduled"
    assert (await _state(house))[:2] == (due + HOUR, due)
    assert house.heard.scheduled == ["q"]


async def _fire_twice(house: House, policy: OverlapPolicy, *, between: str) -> tuple[Job, list[Job]]:
    """Fire, let the job become something, fire again; return the first job as it is now, and the later ones."""
    await _create(house, overlap_policy=policy)
    await _make_due(house)
    await _fire(house)
    (first,) = await _jobs(house)
    if between == "running":
        await house.lease_one()
    if between == "cancelled":
        await house.jobs.cancel(first.id, reason="", force=False)
    await _make_due(house, ago=SECOND)
    await _fire(house)
    first, *later = await _jobs(house)
    return first, later


@pytest.mark.parametrize(("between", "fired"), [("ready", 0), ("running", 0), ("cancelled", 1)])
async def test_skip_leaves_a_firing_out_while_the_last_job_is_not_terminal(
    house: House, between: str, fired: int
) -> None:
    _, later = await _fire_twice(house, OverlapPolicy.SKIP, between=between)
    assert len(later) == fired
    next_run_at, _, last_job_id, held_back = await _state(house)
    assert next_run_at is not None
    assert (last_job_id, held_back) == ((await _jobs(house))[-1].id, "")


@pytest.mark.parametrize(
    ("between", "status", "events"),
    [
        ("ready", JobStatus.CANCELLED, ["created", "cancelled"]),
        ("running", JobStatus.PROCESSING, ["created", "started", "cancel_requested"]),
        ("cancelled", JobStatus.CANCELLED, ["created", "cancelled"]),
    ],
)
async def test_cancel_previous_cancels_the_last_job(
    house: House, between: str, status: JobStatus, events: list[str]
) -> None:
    first, later = await _fire_twice(house, OverlapPolicy.CANCEL_PREVIOUS, between=between)
    assert (first.status, len(later)) == (status, 1)
    assert await events_of(house.sql, first.id) == events
    told = {"ready": house.heard.finished, "running": [job for job, _ in house.heard.cancels]}
    assert told.get(between, [first.id]) == [first.id]


async def test_jobs_of_a_schedule_that_queues_them_run_one_after_another(house: House) -> None:
    first, later = await _fire_twice(house, OverlapPolicy.QUEUE, between="ready")
    assert [job.ordering_key for job in (first, *later)] == ["schedule/s"] * 2


async def _set_queue(house: House, *, state: QueueState | None = None, max_pending: int | None = None) -> None:
    await house.sql.execute("INSERT INTO gosynq.queues (name) VALUES ('q') ON CONFLICT DO NOTHING")
    await house.sql.execute(
        "UPDATE gosynq.queues SET state = coalesce($1, state), max_pending = $2 WHERE name = 'q'", state, max_pending
    )
    house.forget_settings()


async def _look_again(house: House) -> None:
    await house.sql.execute("UPDATE gosynq.schedules SET look_at = statement_timestamp()")


async def test_a_draining_queue_holds_a_firing_back_until_it_takes_jobs_again(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await _create(house)
    due = await _make_due(house)
    await _set_queue(house, state=QueueState.DRAINING)
    for _ in range(2):
        await _look_again(house)
        await _fire(house)

    assert await _jobs(house) == []
    assert await _state(house) == (due, None, None, "Queue q is draining and takes no new jobs.")
    wait = await house.sql.fetchval("SELECT look_at - statement_timestamp() FROM gosynq.schedules")
    assert timedelta() < wait <= HELD_BACK_FOR
    assert [record.message for record in caplog.records if "held back" in record.message] == ["a firing is held back"]

    await _set_queue(house, state=QueueState.ACTIVE)
    await _look_again(house)
    await _fire(house)
    (job,) = await _jobs(house)
    assert await _state(house) == (due + HOUR, due, job.id, "")


async def test_a_full_queue_takes_what_it_has_room_for_and_the_rest_later(house: House) -> None:
    await _create(house, catch_up_policy=CatchUpPolicy.ALL)
    due = await _make_due(house, ago=4 * HOUR + MINUTE)
    await _set_queue(house, max_pending=2)
    await _fire(house)

    jobs = await _jobs(house)
    assert [job.run_at for job in jobs] == [due, due + HOUR]
    next_run_at, last_run_at, last_job_id, held_back = await _state(house)
    assert (next_run_at, last_run_at, last_job_id) == (due + 2 * HOUR, due + HOUR, jobs[-1].id)
    assert held_back.startswith("Queue q ")

    await _set_queue(house, max_pending=None)
    await _look_again(house)
    await _fire(house)
    assert [job.run_at for job in await _jobs(house)] == [due + HOUR * step for step in range(5)]


async def test_a_firing_that_is_held_back_holds_no_other_back(house: House) -> None:
    await _create(house, "s-1")
    await _create(house, "s-2", job=replace(JOB, queue="q2"))
    await _set_queue(house, state=QueueState.DRAINING)
    for schedule_id in ("s-1", "s-2"):
        await _make_due(house, schedule_id=schedule_id)
    await _fire(house)
    assert [job.schedule_id for job in await _jobs(house)] == ["s-2"]


async def test_a_cancel_waits_for_its_firing(house: House) -> None:
    await _create(house, overlap_policy=OverlapPolicy.CANCEL_PREVIOUS)
    await _make_due(house)
    await _fire(house)
    await _make_due(house, ago=SECOND)
    await _set_queue(house, state=QueueState.DRAINING)
    await _fire(house)
    assert [job.status for job in await _jobs(house)] == [JobStatus.PENDING]


async def test_a_schedule_whose_zone_is_not_known_here_is_left_to_others(house: House) -> None:
    created = await _create(house, cron="0 0 1 1 *", time_zone="Europe/Berlin")
    await _create(house, "s-2")
    await _make_due(house, schedule_id="s-2")
    await house.sql.execute(
        "UPDATE gosynq.schedules SET time_zone = 'Mars/Olympus', look_at = statement_timestamp() WHERE id = 's'"
    )
    await _fire(house)

    assert [job.schedule_id for job in await _jobs(house)] == ["s-2"]
    next_run_at, *_, held_back = await _state(house)
    assert next_run_at == created.next_run_at
    assert held_back.startswith("schedule.time_zone: ")


async def test_two_servers_fire_many_schedules_once_each(house: House, elsewhere: House) -> None:
    await _create(house)
    await house.sql.execute(
        "INSERT INTO gosynq.schedules SELECT (jsonb_populate_record(one, jsonb_build_object('id', 's-' || n,"
        " 'queue', 'q-' || n % 3, 'created_at', statement_timestamp() - one.every, 'look_at', statement_timestamp(),"
        " 'next_run_at', statement_timestamp()))).*"
        " FROM gosynq.schedules AS one, generate_series(1, 2000) AS n"
    )
    await asyncio.gather(*(_fire(server) for server in (house, elsewhere, house, elsewhere)))

    rows = await house.sql.fetch("SELECT schedule_id, count(*) FROM gosynq.jobs GROUP BY schedule_id")
    assert [row["count"] for row in rows] == [1] * 2000


async def test_a_server_that_ends_inside_a_firing_leaves_it_to_another(house: House, elsewhere: House) -> None:
    await _create(house)
    due = await _make_due(house)
    async with house.database.transaction() as transaction:
        await transaction.fetch("schedules_due", 10)
        assert await _fire(elsewhere) < SECOND, "it looks again soon"
        assert await _jobs(house) == []
    await _fire(elsewhere)
    assert [job.run_at for job in await _jobs(house)] == [due]


async def test_the_next_look_is_at_the_next_firing(house: House) -> None:
    assert await _fire(house) == SECOND
    await _create(house)
    assert await _fire(house) == SECOND
    await _make_due(house, ago=-timedelta(milliseconds=500))
    assert timedelta() < await _fire(house) <= timedelta(milliseconds=500)


async def test_a_schedule_that_is_created_meanwhile_is_fired_at_its_moment(house: House) -> None:
    fired = Signal()
    house.wakeups.signal(fired)
    looping = asyncio.create_task(repeat(Scheduler(house.database, house.firer), signal=house.schedules.changed))
    now: datetime = await house.sql.fetchval("SELECT statement_timestamp()")
    await _create(house, once=now + timedelta(milliseconds=300))
    assert await fired.wait(5)
    looping.cancel()

    (job,) = await _jobs(house)
    assert timedelta() <= job.created_at - job.run_at < 5 * SECOND


async def test_a_delete_before_the_moment_prevents_it(house: House) -> None:
    await _create(house)
    await _make_due(house)
    await house.schedules.delete("s", etag="", allow_missing=False)
    await _fire(house)
    assert await _jobs(house) == []


async def test_a_trigger_is_the_last_job(house: House) -> None:
    await _create(house, overlap_policy=OverlapPolicy.SKIP)
    triggered = JobId(await house.schedules.trigger("s", idempotency_key=""))
    await _make_due(house)
    await _fire(house)
    assert [job.id for job in await _jobs(house)] == [triggered]
