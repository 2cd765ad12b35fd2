"""ScheduleService over a real channel and a real database; what is wrong is refused by the name of its field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2, schedule_pb2
from gosynq.v1 import schedule_service_pb2 as messages
from gosynq.v1.schedule_pb2 import Schedule
from gosynq.v1.schedule_service_pb2_grpc import ScheduleServiceStub
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.service.house import House, open_house

if TYPE_CHECKING:
    from gosynq.v1.schedule_service_pb2_grpc import ScheduleServiceAsyncStub

HOUR = Duration(seconds=3600)
FAR = Timestamp(seconds=4_102_444_800)
PAST = Timestamp(seconds=1_000_000_000)


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


@pytest.fixture
async def stub(house: House) -> AsyncIterator[ScheduleServiceAsyncStub]:
    server = build_server(services_of(house), RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ScheduleServiceStub(channel)
    await server.stop(timedelta())


def a_schedule(**said: Any) -> Schedule:
    said.setdefault("id", "s")
    said.setdefault("job", job_pb2.JobSpec(queue="q", kind="k"))
    if not said.keys() & {"cron", "once"}:
        said.setdefault("interval", HOUR)
    return Schedule(**said)


async def _create(stub: ScheduleServiceAsyncStub, **said: Any) -> Schedule:
    return (await stub.CreateSchedule(messages.CreateScheduleRequest(schedule=a_schedule(**said)))).schedule


async def _update(stub: ScheduleServiceAsyncStub, schedule: Schedule, *paths: str, **said: Any) -> Schedule:
    mask = FieldMask(paths=paths)
    answer = await stub.UpdateSchedule(messages.UpdateScheduleRequest(schedule=schedule, update_mask=mask, **said))
    return answer.schedule


def _said(schedule: Schedule) -> Schedule:
    """Leave out what the server adds."""
    said = Schedule()
    said.CopyFrom(schedule)
    for name in ("next_run_at", "last_run_at", "last_job_id", "created_at", "updated_at", "etag", "paused"):
        said.ClearField(name)
    return said


async def test_a_schedule_comes_back_as_it_was_sent(stub: ScheduleServiceAsyncStub) -> None:
    payload = Struct()
    payload.update({"n": 3})
    sent = a_schedule(
        description="every night",
        cron="30 2 * * *",
        time_zone="Europe/Berlin",
        overlap_policy=schedule_pb2.OVERLAP_POLICY_SKIP,
        catch_up_policy=schedule_pb2.CATCH_UP_POLICY_ALL,
        jitter=Duration(seconds=60),
        start_at=PAST,
        end_at=FAR,
        job=job_pb2.JobSpec(
            queue="q",
            kind="k",
            payload=payload,
            priority=job_pb2.JOB_PRIORITY_HIGH,
            max_retries=0,
            labels={"a": "b"},
            headers={"h": "v"},
            retry_policy=job_pb2.RetryPolicy(strategy=job_pb2.BACKOFF_STRATEGY_FIXED, jitter=0),
            attempt_timeout=HOUR,
            fairness_key="f",
        ),
    )
    created = (await stub.CreateSchedule(messages.CreateScheduleRequest(schedule=sent))).schedule

    assert _said(created) == sent
    assert created.etag
    assert created.next_run_at.seconds > created.created_at.seconds
    assert (await stub.GetSchedule(messages.GetScheduleRequest(schedule_id="s"))).schedule == created


async def test_policies_that_are_not_said_are_told(stub: ScheduleServiceAsyncStub) -> None:
    created = await _create(stub, job=job_pb2.JobSpec(queue="q", payload_bytes=b"\xff", content_type="x/y"))
    assert created.overlap_policy == schedule_pb2.OVERLAP_POLICY_ALLOW
    assert created.catch_up_policy == schedule_pb2.CATCH_UP_POLICY_ONE
    assert (created.job.payload_bytes, created.job.content_type) == (b"\xff", "x/y")


def _job(**said: Any) -> dict[str, Any]:
    return {"job": job_pb2.JobSpec(queue="q", **said)}


@pytest.mark.parametrize(
    ("said", "field", "reason"),
    [
        ({"id": "Nightly"}, "schedule.id", "VALIDATION_FAILED"),
        ({"cron": "* * * *"}, "schedule.cron", "SCHEDULE_INVALID"),
        ({"cron": "0 0 * * *\0"}, "schedule.cron", "VALIDATION_FAILED"),
        ({"cron": "@daily", "time_zone": "Europe/Atlantis"}, "schedule.time_zone", "SCHEDULE_INVALID"),
        ({"once": PAST}, "schedule.once", "SCHEDULE_INVALID"),
        ({"interval": Duration(nanos=5)}, "schedule.interval", "VALIDATION_FAILED"),
        ({"jitter": Duration(seconds=-1)}, "schedule.jitter", "VALIDATION_FAILED"),
        ({"start_at": FAR, "end_at": PAST}, "schedule", "VALIDATION_FAILED"),
        ({"description": "a\0b"}, "schedule.description", "VALIDATION_FAILED"),
        (_job(run_at=FAR), "schedule.job", "VALIDATION_FAILED"),
        (_job(expires_at=FAR), "schedule.job", "VALIDATION_FAILED"),
        (_job(idempotency_key="k"), "schedule.job", "VALIDATION_FAILED"),
        (_job(debounce_key="k"), "schedule.job", "VALIDATION_FAILED"),
        ({"job": job_pb2.JobSpec()}, "schedule.job.queue", "VALIDATION_FAILED"),
        (
            {"overlap_policy": schedule_pb2.OVERLAP_POLICY_QUEUE} | _job(ordering_key="o"),
            "schedule",
            "VALIDATION_FAILED",
        ),
    ],
)
async def test_what_is_wrong_is_refused_by_its_field_when_it_is_created_or_changed_to(
    stub: ScheduleServiceAsyncStub, said: dict[str, Any], field: str, reason: str
) -> None:
    wrong = a_schedule(**said)
    refused = [await refusal_of(stub.CreateSchedule(messages.CreateScheduleRequest(schedule=wrong)))]
    if wrong.id == "s":
        await _create(stub)
        refused.append(await refusal_of(_update(stub, wrong)))
    for refusal in refused:
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", reason)
        assert refusal.fields[0] == field


async def test_without_a_timing_or_a_job_it_is_refused(stub: ScheduleServiceAsyncStub) -> None:
    refusal = await refusal_of(stub.CreateSchedule(messages.CreateScheduleRequest(schedule=Schedule(id="s"))))
    assert set(refusal.fields) == {"schedule.timing", "schedule.job"}
    assert (await refusal_of(stub.CreateSchedule(messages.CreateScheduleRequest()))).fields == ("schedule",)
    assert (await refusal_of(stub.UpdateSchedule(messages.UpdateScheduleRequest()))).fields == ("request",)


async def test_a_second_of_the_same_id_and_one_that_there_is_not_say_so(stub: ScheduleServiceAsyncStub) -> None:
    await _create(stub)
    exists = await refusal_of(stub.CreateSchedule(messages.CreateScheduleRequest(schedule=a_schedule())))
    missing = await refusal_of(stub.GetSchedule(messages.GetScheduleRequest(schedule_id="n")))
    assert (exists.code, exists.reason, exists.metadata) == ("ALREADY_EXISTS", "SCHEDULE_EXISTS", {"schedule_id": "s"})
    assert (missing.code, missing.reason) == ("NOT_FOUND", "SCHEDULE_NOT_FOUND")


async def test_an_update_without_a_mask_changes_what_is_set(stub: ScheduleServiceAsyncStub) -> None:
    created = await _create(stub, description="old")
    updated = await _update(stub, Schedule(id="s", time_zone="Europe/Paris", etag=created.etag))
    assert updated.etag != created.etag
    created.time_zone = "Europe/Paris"
    assert _said(updated) == _said(created)


async def test_an_update_with_a_mask_changes_what_it_names_and_clears_what_is_not_set(
    stub: ScheduleServiceAsyncStub,
) -> None:
    job = job_pb2.JobSpec(queue="q", kind="k", labels={"a": "b"}, max_retries=3)
    await _create(stub, description="old", end_at=FAR, job=job)
    wanted = Schedule(id="s", cron="@daily", job=job_pb2.JobSpec(queue="ignored", kind="new", labels={"c": "d"}))
    paths = ("cron", "end_at", "job.kind", "job.labels", "job.max_retries", "etag", "next_run_at")
    updated = await _update(stub, wanted, *paths)

    assert (updated.description, updated.cron, updated.HasField("end_at")) == ("old", "@daily", False)
    assert (updated.job.queue, updated.job.kind, dict(updated.job.labels)) == ("q", "new", {"c": "d"})
    assert not updated.job.HasField("max_retries")
    updated = await _update(stub, Schedule(id="s", interval=HOUR), "interval", "cron")
    assert updated.interval == HOUR
    updated = await _update(stub, a_schedule(job=job_pb2.JobSpec(queue="whole")), "*")
    assert (updated.description, updated.job.queue, updated.job.kind) == ("", "whole", "")


@pytest.mark.parametrize("path", ["nonsense", "timing", "job.nonsense", "job.labels.a", "interval.seconds", "cron.x"])
async def test_a_mask_that_names_what_there_is_not_is_refused(stub: ScheduleServiceAsyncStub, path: str) -> None:
    await _create(stub)
    refusal = await refusal_of(_update(stub, a_schedule(), path))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        "INVALID_ARGUMENT",
        "UPDATE_MASK_INVALID",
        {"path": path},
    )


async def test_an_update_that_leaves_no_timing_is_refused(stub: ScheduleServiceAsyncStub) -> None:
    await _create(stub)
    refusal = await refusal_of(_update(stub, Schedule(id="s"), "interval"))
    assert refusal.fields == ("schedule.timing",)


async def test_an_update_may_create_and_then_holds_to_all_rules(stub: ScheduleServiceAsyncStub) -> None:
    refusal = await refusal_of(_update(stub, Schedule(id="s"), allow_missing=True))
    assert set(refusal.fields) == {"schedule.timing", "schedule.job"}
    assert _said(await _update(stub, a_schedule(), "description", allow_missing=True)).id == "s"


async def test_a_changed_schedule_is_not_written_over(stub: ScheduleServiceAsyncStub) -> None:
    created = await _create(stub)
    changed = await _update(stub, Schedule(id="s", description="new"))
    late = Schedule(id="s", description="late", etag=created.etag)
    for call in (
        _update(stub, late),
        stub.DeleteSchedule(messages.DeleteScheduleRequest(schedule_id="s", etag=created.etag)),
    ):
        refusal = await refusal_of(call)
        assert (refusal.code, refusal.reason) == ("ABORTED", "ETAG_MISMATCH")
        assert refusal.metadata == {"etag": changed.etag}


async def test_a_list_goes_page_by_page(stub: ScheduleServiceAsyncStub) -> None:
    for name in ("b", "a"):
        await _create(stub, id=name)
    first = await stub.ListSchedules(messages.ListSchedulesRequest(page_size=1))
    rest = await stub.ListSchedules(messages.ListSchedulesRequest(page_token=first.next_page_token))
    assert [each.id for page in (first, rest) for each in page.schedules] == ["a", "b"]
    assert rest.next_page_token == ""
    refusal = await refusal_of(stub.ListSchedules(messages.ListSchedulesRequest(page_token="nonsense")))
    assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_pause_resume_trigger_and_delete(stub: ScheduleServiceAsyncStub, house: House) -> None:
    await _create(stub)
    paused = (await stub.PauseSchedule(messages.PauseScheduleRequest(schedule_id="s"))).schedule
    assert (paused.paused, paused.HasField("next_run_at")) == (True, False)
    answer = await stub.TriggerSchedule(messages.TriggerScheduleRequest(schedule_id="s", idempotency_key="k"))
    assert (await house.job(answer.job_id)).schedule_id == "s"
    resumed = (await stub.ResumeSchedule(messages.ResumeScheduleRequest(schedule_id="s"))).schedule
    assert (resumed.paused, resumed.HasField("next_run_at"), resumed.last_job_id) == (False, True, answer.job_id)
    await stub.DeleteSchedule(messages.DeleteScheduleRequest(schedule_id="s"))
    await stub.DeleteSchedule(messages.DeleteScheduleRequest(schedule_id="s", allow_missing=True))
    refusal = await refusal_of(stub.TriggerSchedule(messages.TriggerScheduleRequest(schedule_id="s")))
    assert refusal.reason == "SCHEDULE_NOT_FOUND"


async def test_a_preview_needs_no_more_than_a_timing(stub: ScheduleServiceAsyncStub) -> None:
    asked = Schedule(cron="0 0 29 2 *", time_zone="Asia/Tokyo", start_at=FAR)
    answer = await stub.PreviewSchedule(messages.PreviewScheduleRequest(schedule=asked, count=2))
    assert [each.ToDatetime(UTC) for each in answer.run_times] == [
        datetime(2104, 2, 28, 15, tzinfo=UTC),
        datetime(2108, 2, 28, 15, tzinfo=UTC),
    ]
    five = await stub.PreviewSchedule(messages.PreviewScheduleRequest(schedule=Schedule(interval=HOUR)))
    assert len(five.run_times) == 5
    none = await stub.PreviewSchedule(messages.PreviewScheduleRequest(schedule=Schedule(once=PAST)))
    assert not none.run_times


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Schedule(), "schedule.timing"),
        (Schedule(interval=Duration(seconds=0)), "schedule.interval"),
        (Schedule(cron="nonsense"), "schedule.cron"),
        (Schedule(cron="@daily", time_zone="nowhere"), "schedule.time_zone"),
        (Schedule(once=Timestamp(seconds=10**15)), "schedule.once"),
    ],
)
async def test_a_wrong_preview_is_refused_by_its_field(
    stub: ScheduleServiceAsyncStub, asked: Schedule, field: str
) -> None:
    refusal = await refusal_of(stub.PreviewSchedule(messages.PreviewScheduleRequest(schedule=asked)))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,))
