"""What a schedule fires of what is due: on time, after an outage, and over its own last job."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_server.domain.errors import ScheduleInvalid
from gosynq_server.domain.job import JobSpec
from gosynq_server.domain.schedule import (
    CatchUpPolicy,
    OverlapPolicy,
    Plan,
    Schedule,
    ScheduleSpec,
    fired_spec,
    first_due,
    plan,
    preview,
    same_timing,
    triggered_spec,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
JOB = JobSpec(queue="q", kind="k")
NONE, ONE, ALL = CatchUpPolicy.NONE, CatchUpPolicy.ONE, CatchUpPolicy.ALL


def _spec(**said: Any) -> ScheduleSpec:
    return ScheduleSpec(id="s", job=said.pop("job", JOB), **said)


def _plan(spec: ScheduleSpec, due: datetime, now: datetime, *, is_busy: bool = False) -> Plan:
    schedule = Schedule(spec=spec, next_run_at=due, created_at=NOON - 30 * DAY, updated_at=NOON)
    return plan(schedule, now, is_busy=is_busy)


def _minutes_ago(now: datetime, *ago: float) -> tuple[datetime, ...]:
    return tuple(now - MINUTE * minutes for minutes in ago)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_what_is_due_on_time_fires_under_every_policy(policy: CatchUpPolicy) -> None:
    spec = _spec(cron="0 * * * *", catch_up_policy=policy)
    assert _plan(spec, NOON, NOON) == Plan(due=(NOON,), next=NOON + HOUR)
    assert _plan(spec, NOON, NOON + MINUTE) == Plan(due=(NOON,), next=NOON + HOUR)


@pytest.mark.parametrize("policy", CatchUpPolicy)
def test_of_a_short_interval_each_firing_of_a_short_delay_fires(policy: CatchUpPolicy) -> None:
    spec = _spec(interval=10 * SECOND, catch_up_policy=policy)
    found = _plan(spec, NOON, NOON + 25 * SECOND)
    assert found == Plan(due=(NOON, NOON + 10 * SECOND, NOON + 20 * SECOND), next=NOON + 30 * SECOND)


@pytest.mark.parametrize(
    ("policy", "ago", "missed_for", "expected"),
    [
        (NONE, 3, 3 * HOUR, ()),
        (NONE, 0.5, 3 * HOUR, (0.5,)),
        (NONE, 0.5, 300 * DAY, (0.5,)),
        (ONE, 3, 3 * HOUR, (3,)),
        (ONE, 59, 3 * HOUR, (59,)),
        (ONE, 3, 300 * DAY, (3,)),
        (ALL, 3, 3 * HOUR, (183, 123, 63, 3)),
        (ALL, 3, 300 * DAY, tuple(60 * hours + 3 for hours in range(23, -1, -1))),
        (ALL, 0, 300 * DAY, tuple(60 * hours for hours in range(24, -1, -1))),
    ],
)
def test_what_was_missed_is_caught_up_as_the_policy_says(
    policy: CatchUpPolicy, ago: float, missed_for: timedelta, expected: tuple[float, ...]
) -> None:
    now = NOON + MINUTE * ago
    found = _plan(_spec(cron="0 * * * *", catch_up_policy=policy), NOON - missed_for, now)
    assert found == Plan(due=_minutes_ago(now, *expected), next=NOON + HOUR)


@pytest.mark.parametrize("timing", [{"cron": "* * * * *"}, {"interval": MINUTE}])
def test_at_most_a_hundred_are_caught_up_the_latest(timing: dict[str, Any]) -> None:
    found = _plan(_spec(catch_up_policy=ALL, **timing), NOON - 10 * DAY, NOON)
    assert found.due == tuple(NOON - MINUTE * ago for ago in range(99, -1, -1))


def test_a_rare_firing_is_found_however_long_ago_it_was() -> None:
    created = datetime(2020, 1, 1, tzinfo=UTC)
    spec = _spec(cron="* * * 1 *", catch_up_policy=ONE)
    schedule = Schedule(spec=spec, next_run_at=created, created_at=created, updated_at=created)
    found = plan(schedule, datetime(2026, 12, 1, tzinfo=UTC), is_busy=False)
    assert found == Plan(due=(datetime(2026, 1, 31, 23, 59, tzinfo=UTC),), next=datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("catch_up", [ONE, ALL])
def test_what_was_to_happen_once_is_caught_up_and_does_not_come_again(catch_up: CatchUpPolicy) -> None:
    found = _plan(_spec(once=NOON, catch_up_policy=catch_up), NOON, NOON + HOUR)
    assert found == Plan(due=(NOON,), next=None)


@pytest.mark.parametrize(
    ("policy", "is_busy", "fired"),
    [
        (OverlapPolicy.ALLOW, True, 3),
        (OverlapPolicy.QUEUE, True, 3),
        (OverlapPolicy.SKIP, True, 0),
        (OverlapPolicy.SKIP, False, 1),
        (OverlapPolicy.CANCEL_PREVIOUS, True, 1),
        (OverlapPolicy.CANCEL_PREVIOUS, False, 1),
    ],
)
def test_overlaps_are_treated_as_the_policy_says(policy: OverlapPolicy, is_busy: bool, fired: int) -> None:
    due = (NOON - 2 * HOUR, NOON - HOUR, NOON)
    spec = _spec(interval=HOUR, overlap_policy=policy, catch_up_policy=ALL)
    found = _plan(spec, due[0], NOON, is_busy=is_busy)
    assert found == Plan(due=due[3 - fired :], next=NOON + HOUR)


def test_what_is_more_than_there_is_room_for_stays_due() -> None:
    whole = Plan(due=(NOON, NOON + HOUR, NOON + 2 * HOUR), next=NOON + DAY)
    assert whole.at_most(3) == whole
    assert whole.at_most(1) == Plan(due=(NOON,), next=NOON + HOUR)


def test_nothing_is_due_before_the_start_or_after_the_end() -> None:
    spec = _spec(cron="0 * * * *", start_at=NOON + HOUR, end_at=NOON + 2 * HOUR)
    assert preview(spec, NOON - 10 * DAY, count=5) == [NOON + HOUR, NOON + 2 * HOUR]
    assert _plan(spec, NOON + 2 * HOUR, NOON + 2 * HOUR) == Plan(due=(NOON + 2 * HOUR,), next=None)


def test_an_interval_is_counted_from_the_start_or_else_the_creation() -> None:
    assert preview(_spec(interval=HOUR), NOON + SECOND, count=1) == [NOON + HOUR + SECOND]
    assert preview(_spec(interval=HOUR, start_at=NOON + MINUTE), NOON, count=2) == [NOON + MINUTE, NOON + HOUR + MINUTE]
    assert preview(_spec(interval=HOUR, start_at=NOON - DAY + MINUTE), NOON, count=1) == [NOON + MINUTE]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"once": NOON}, "schedule.once"),
        ({"once": NOON + DAY, "start_at": NOON + 2 * DAY}, "schedule.once"),
        ({"interval": HOUR, "end_at": NOON + MINUTE}, "schedule.interval"),
        ({"cron": "0 0 */30 * MON#2"}, "schedule.cron"),
        ({"cron": "* * * *"}, "schedule.cron"),
        ({"interval": HOUR, "time_zone": "Europe/Atlantis"}, "schedule.time_zone"),
    ],
)
def test_what_will_never_be_due_is_refused(said: dict[str, Any], field: str) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        first_due(_spec(**said), NOON, created_at=NOON)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_the_job_of_a_firing_starts_at_its_due_time_under_a_key_that_no_caller_can_send() -> None:
    spec = _spec(cron="0 * * * *")
    job = fired_spec(spec, NOON, NOON + SECOND, chance=0.5)
    key = "§schedule/s/2026-06-01T12:00:00.000000Z"
    assert job == replace(JOB, run_at=NOON, schedule_id="s", idempotency_key=key)
    assert not key.isascii()


def test_jitter_puts_a_firing_off_from_when_it_is_fired() -> None:
    spec = _spec(cron="0 * * * *", jitter=10 * MINUTE)
    assert fired_spec(spec, NOON, NOON + SECOND, chance=0.5).run_at == NOON + SECOND + 5 * MINUTE
    assert fired_spec(spec, NOON + HOUR, NOON, chance=0).run_at == NOON + HOUR


def test_the_job_of_a_trigger_starts_at_once() -> None:
    job = triggered_spec(_spec(interval=HOUR, jitter=HOUR), idempotency_key="mine")
    assert job == replace(JOB, schedule_id="s", idempotency_key="mine")


def test_the_jobs_of_a_schedule_that_queues_them_have_an_ordering_key_of_its_own() -> None:
    spec = _spec(interval=HOUR, overlap_policy=OverlapPolicy.QUEUE)
    assert triggered_spec(spec, idempotency_key="").ordering_key == "schedule/s"
    assert fired_spec(spec, NOON, NOON, chance=0).ordering_key == "schedule/s"


def test_only_what_says_when_it_is_due_is_its_timing() -> None:
    spec = _spec(cron="0 * * * *")
    assert same_timing(spec, replace(spec, description="d", job=replace(JOB, kind="other"), jitter=HOUR))
    assert not same_timing(spec, replace(spec, time_zone="Europe/Berlin"))
    assert not same_timing(spec, replace(spec, end_at=NOON))


def test_an_etag_is_another_after_each_change_and_for_another_of_the_name() -> None:
    one = Schedule(spec=_spec(interval=HOUR), created_at=NOON, updated_at=NOON)
    assert one.etag == replace(one, next_run_at=NOON, last_run_at=NOON).etag
    assert len({one.etag, replace(one, version=2).etag, replace(one, created_at=NOON + SECOND).etag}) == 3
