"""Schedules are looked after by verbs, each in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_server.domain.errors import (
    EtagMismatch,
    IdempotencyKeyReused,
    PageTokenInvalid,
    PayloadTooLarge,
    ScheduleExists,
    ScheduleInvalid,
    ScheduleNotFound,
)
from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.domain.queue import QueueDefaults
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy, Schedule, ScheduleSpec
from tests.service.house import DAY, HOUR, SECOND, House, open_house, until_blocked_by

JOB = JobSpec(queue="q", kind="k")
FAR = datetime(2100, 1, 1, tzinfo=UTC)
FULL = ScheduleSpec(
    id="full",
    description="d",
    cron="30 2 * * MON",
    time_zone="Europe/Berlin",
    overlap_policy=OverlapPolicy.SKIP,
    catch_up_policy=CatchUpPolicy.ALL,
    jitter=timedelta(minutes=5),
    start_at=datetime(2026, 1, 1, tzinfo=UTC),
    end_at=FAR,
    job=JobSpec(
        queue="q",
        kind="k",
        payload=b"\x00\xff",
        content_type="application/octet-stream",
        priority=Priority.HIGH,
        max_retries=0,
        max_deliveries=3,
        labels={"a": "b"},
        headers={"traceparent": "00"},
        retry_policy=RetryPolicyOverride(
            strategy=BackoffStrategy.FIXED, initial_backoff=SECOND, multiplier=None, max_backoff=None, jitter=0.0
        ),
        lease_duration=timedelta(seconds=7, microseconds=5),
        attempt_timeout=HOUR,
        retention=timedelta(),
        fairness_key="f",
        ordering_key="o",
    ),
)


def a_spec(schedule_id: str = "s", **said: Any) -> ScheduleSpec:
    said.setdefault("job", JOB)
    if not said.keys() & {"cron", "once"}:
        said.setdefault("interval", HOUR)
    return ScheduleSpec(id=schedule_id, **said)


async def _now(house: House) -> datetime:
    now: datetime = await house.sql.fetchval("SELECT statement_timestamp()")
    return now


async def test_a_schedule_is_read_as_it_was_said(house: House) -> None:
    created = await house.schedules.create(FULL)

    assert created.spec == FULL
    assert await house.schedules.get("full") == created
    assert created.next_run_at is not None
    assert (created.version, created.paused, created.held_back, created.last_job_id) == (1, False, "", None)


@pytest.mark.parametrize("said", [{"interval": timedelta(seconds=90)}, {"once": FAR}, {"cron": "@daily"}])
async def test_each_timing_is_read_as_it_was_said(house: House, said: dict[str, Any]) -> None:
    await house.schedules.create(a_spec(**said))
    assert (await house.schedules.get("s")).spec == a_spec(**said)


async def test_an_interval_is_due_first_when_it_is_over(house: House) -> None:
    created = await house.schedules.create(a_spec(interval=HOUR))
    assert created.next_run_at == created.created_at + HOUR


async def test_a_creation_wakes_the_scheduler(house: House) -> None:
    assert not await house.schedules.changed.wait(0)
    await house.schedules.create(a_spec())
    assert await house.schedules.changed.wait(0)


async def test_one_of_the_same_id_is_refused(house: House) -> None:
    created = await house.schedules.create(a_spec())
    with pytest.raises(ScheduleExists):
        await house.schedules.create(a_spec(cron="@daily"))
    assert await house.schedules.get("s") == created


async def test_what_will_never_be_due_is_refused(house: House) -> None:
    with pytest.raises(ScheduleInvalid):
        await house.schedules.create(a_spec(once=await _now(house) - SECOND))
    with pytest.raises(ScheduleNotFound):
        await house.schedules.get("s")


async def test_a_job_that_its_queue_would_not_take_is_refused(database_url: str) -> None:
    async with open_house(database_url, defaults=QueueDefaults(max_payload_bytes=10)) as house:
        with pytest.raises(PayloadTooLarge):
            await house.schedules.create(a_spec(job=replace(JOB, payload=b'"1234567890"')))


async def test_a_list_is_by_id_page_by_page(house: House) -> None:
    for name in ("c", "a", "b"):
        await house.schedules.create(a_spec(name))
    first = await house.schedules.list(page_size=2, page_token="")
    second = await house.schedules.list(page_size=2, page_token=first.next_page_token)

    assert [each.spec.id for each in first.schedules] == ["a", "b"]
    assert [each.spec.id for each in second.schedules] == ["c"]
    assert second.next_page_token == ""
    assert (await house.schedules.list(page_size=3, page_token="")).next_page_token == ""
    with pytest.raises(PageTokenInvalid):
        await house.schedules.list(page_size=2, page_token="nonsense")


async def test_a_page_of_large_jobs_holds_fewer(database_url: str) -> None:
    async with open_house(database_url, defaults=QueueDefaults(max_payload_bytes=3_000_000)) as house:
        for name, size in (("a", 2_900_000), ("b", 2_000_000), ("c", 10)):
            await house.schedules.create(a_spec(name, job=replace(JOB, payload=b"1" * size)))
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            page = await house.schedules.list(page_size=10, page_token=token)
            pages.append([each.spec.id for each in page.schedules])
            token = page.next_page_token
    assert pages == [["a"], ["b", "c"]]


def _to(**changes: Any) -> Any:
    return lambda spec: replace(spec, **changes)


async def test_an_update_makes_a_new_version(house: House) -> None:
    created = await house.schedules.create(a_spec())
    updated = await house.schedules.update("s", _to(description="new", job=replace(JOB, kind="other")))

    assert updated.spec == a_spec(description="new", job=replace(JOB, kind="other"))
    assert (updated.version, updated.next_run_at) == (2, created.next_run_at)
    assert updated.updated_at > created.updated_at
    assert await house.schedules.get("s") == updated


async def test_an_update_that_changes_nothing_makes_no_new_version(house: House) -> None:
    created = await house.schedules.create(a_spec())
    assert await house.schedules.update("s", _to()) == created


async def test_an_update_of_the_timing_counts_from_now(house: House) -> None:
    await house.schedules.create(a_spec(cron="0 0 1 1 *"))
    before = await _now(house)
    updated = await house.schedules.update("s", _to(cron="* * * * *"))

    assert updated.next_run_at is not None
    assert timedelta() < updated.next_run_at - before <= timedelta(minutes=2)


async def test_an_update_to_what_is_never_due_is_refused(house: House) -> None:
    created = await house.schedules.create(a_spec())
    with pytest.raises(ScheduleInvalid):
        await house.schedules.update("s", _to(end_at=created.created_at))
    assert await house.schedules.get("s") == created


async def test_an_update_with_the_etag_of_another_version_is_refused(house: House) -> None:
    created = await house.schedules.create(a_spec())
    updated = await house.schedules.update("s", _to(description="new"), etag=created.etag)
    with pytest.raises(EtagMismatch) as refused:
        await house.schedules.update("s", _to(description="newer"), etag=created.etag)
    assert refused.value.metadata == {"etag": updated.etag}


async def test_an_update_may_create_where_that_is_allowed_and_no_etag_is_set(house: House) -> None:
    def change(spec: ScheduleSpec | None) -> ScheduleSpec:
        assert spec is None
        return a_spec(description="made")

    for refused in ({}, {"allow_missing": True, "etag": "1-1"}):
        with pytest.raises(ScheduleNotFound):
            await house.schedules.update("s", change, **refused)  # type: ignore[arg-type]
    assert (await house.schedules.update("s", change, allow_missing=True)).spec.description == "made"


async def test_two_updates_that_would_both_create_give_one_schedule(house: House, elsewhere: House) -> None:
    def change(text: str) -> Any:
        return lambda spec: a_spec(description=text) if spec is None else replace(spec, description=f"{text} changed")

    one, two = await asyncio.gather(
        house.schedules.update("s", change("one"), allow_missing=True),
        elsewhere.schedules.update("s", change("two"), allow_missing=True),
    )
    assert sorted((one.version, two.version)) == [1, 2]


async def test_a_deleted_schedule_is_gone(house: House) -> None:
    created = await house.schedules.create(a_spec())
    with pytest.raises(EtagMismatch):
        await house.schedules.delete("s", etag="1-1", allow_missing=False)
    await house.schedules.delete("s", etag=created.etag, allow_missing=False)
    with pytest.raises(ScheduleNotFound):
        await house.schedules.delete("s", etag="", allow_missing=False)
    await house.schedules.delete("s", etag="", allow_missing=True)


async def test_a_paused_schedule_is_not_due_and_a_second_pause_changes_nothing(house: House) -> None:
    await house.schedules.create(a_spec())
    paused = await house.schedules.pause("s")

    assert (paused.paused, paused.next_run_at, paused.version) == (True, None, 2)
    assert await house.schedules.pause("s") == paused
    assert (await house.schedules.update("s", _to(interval=2 * HOUR))).next_run_at is None


async def test_a_resumed_schedule_is_due_from_now_on(house: House) -> None:
    created = await house.schedules.create(a_spec(interval=HOUR))
    await _shift(house, created, -10 * HOUR - timedelta(minutes=30))
    await house.schedules.pause("s")
    now = await _now(house)
    resumed = await house.schedules.resume("s")

    assert resumed.next_run_at is not None
    assert timedelta() < resumed.next_run_at - now <= timedelta(minutes=30)
    assert (resumed.paused, resumed.version) == (False, 3)
    assert await house.schedules.resume("s") == resumed


async def _shift(house: House, schedule: Schedule, by: timedelta) -> None:
    """Let a schedule have been created, and be due, at another time."""
    await house.sql.execute(
        "UPDATE gosynq.schedules SET created_at = created_at + $2::interval, next_run_at = next_run_at + $2::interval,"
        " look_at = look_at + $2::interval WHERE id = $1",
        schedule.spec.id,
        by,
    )


@pytest.mark.parametrize("verb", ["get", "pause", "resume"])
async def test_a_verb_on_a_schedule_that_there_is_not_says_so(house: House, verb: str) -> None:
    with pytest.raises(ScheduleNotFound) as refused:
        await getattr(house.schedules, verb)("nowhere")
    assert refused.value.metadata == {"schedule_id": "nowhere"}


async def test_a_trigger_enqueues_the_job_at_once_paused_or_not(house: House) -> None:
    await house.schedules.create(a_spec(jitter=HOUR, overlap_policy=OverlapPolicy.SKIP))
    await house.schedules.pause("s")
    jobs = [await house.schedules.trigger("s", idempotency_key="") for _ in range(2)]

    made = [await house.job(job) for job in jobs]
    assert [(job.kind, job.schedule_id, job.stage) for job in made] == [("k", "s", "ready")] * 2
    schedule = await house.schedules.get("s")
    assert schedule.last_job_id == jobs[1]
    assert schedule.last_run_at is not None
    assert (schedule.version, schedule.next_run_at) == (2, None)
    assert house.heard.ready == ["q", "q"]


async def test_a_trigger_that_is_repeated_under_its_key_makes_one_job(house: House) -> None:
    await house.schedules.create(a_spec())
    await house.schedules.create(a_spec("other"))
    first = await house.schedules.trigger("s", idempotency_key="mine")
    noted = await house.schedules.get("s")

    assert await house.schedules.trigger("s", idempotency_key="mine") == first
    assert await house.schedules.get("s") == noted
    with pytest.raises(IdempotencyKeyReused):
        await house.schedules.trigger("other", idempotency_key="mine")


async def test_a_trigger_of_a_schedule_that_there_is_not_makes_nothing(house: House) -> None:
    with pytest.raises(ScheduleNotFound):
        await house.schedules.trigger("nowhere", idempotency_key="")


async def test_a_preview_is_from_now_on(house: House) -> None:
    now = await _now(house)
    due = await house.schedules.preview(a_spec(interval=HOUR), count=3)
    assert [each - due[0] for each in due] == [timedelta(), HOUR, 2 * HOUR]
    assert timedelta() <= due[0] - now - HOUR < DAY


async def test_a_pause_waits_for_a_firing_that_has_begun(house: House, elsewhere: House) -> None:
    await house.schedules.create(a_spec())
    async with house.database.transaction() as rival:
        await rival.fetch("schedules_lock", "s")
        pid = (await house.sql.fetch("SELECT pid FROM pg_locks WHERE mode = 'RowShareLock' AND granted"))[0]["pid"]
        pausing = asyncio.create_task(elsewhere.schedules.pause("s"))
        await until_blocked_by(house.sql, pid)
    assert (await pausing).paused
