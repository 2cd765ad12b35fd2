from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2, schedule_pb2, schedule_service_pb2
from gosynq_client import CatchUpPolicy, Client, JobRequest, OverlapPolicy, Priority, Schedule
from tests.contract.client.scripted import Script

SPEC = job_pb2.JobSpec(queue="default", kind="clean_up", payload_bytes=b"{}", content_type="application/json")
MESSAGE = schedule_pb2.Schedule(
    id="nightly",
    description="at night",
    cron="0 3 * * *",
    time_zone="Europe/Berlin",
    job=SPEC,
    overlap_policy=schedule_pb2.OVERLAP_POLICY_SKIP,
    catch_up_policy=schedule_pb2.CATCH_UP_POLICY_ONE,
    jitter=Duration(seconds=5),
    end_at=Timestamp(seconds=9),
    paused=True,
    last_run_at=Timestamp(seconds=3),
    last_job_id="job-1",
    created_at=Timestamp(seconds=1),
    updated_at=Timestamp(seconds=2),
    etag="7",
    held_back="the queue is full",
)


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def test_a_schedule_is_read_field_by_field(script: Script, client: Client) -> None:
    script.answer("GetSchedule", schedule_service_pb2.GetScheduleResponse(schedule=MESSAGE))

    schedule = await client.schedules.get("nightly")

    expected = {
        "id": "nightly",
        "description": "at night",
        "cron": "0 3 * * *",
        "interval": None,
        "once": None,
        "time_zone": "Europe/Berlin",
        "job": JobRequest("clean_up"),
        "overlap_policy": OverlapPolicy.SKIP,
        "catch_up_policy": CatchUpPolicy.ONE,
        "jitter": timedelta(seconds=5),
        "start_at": None,
        "end_at": moment(9),
        "paused": True,
        "next_run_at": None,
        "last_run_at": moment(3),
        "last_job_id": "job-1",
        "created_at": moment(1),
        "updated_at": moment(2),
        "etag": "7",
        "held_back": "the queue is full",
    }
    assert {name: getattr(schedule, name) for name in Schedule.__dataclass_fields__} == expected


@pytest.mark.parametrize(
    ("spec", "payload", "content_type"),
    [
        (job_pb2.JobSpec(payload=Struct(), kind="k"), {}, ""),
        (job_pb2.JobSpec(payload_bytes=b'{"a":1}', content_type="application/json", kind="k"), {"a": 1}, ""),
        (job_pb2.JobSpec(payload_bytes=b"[1]", content_type="application/json", kind="k"), b"[1]", "application/json"),
        (job_pb2.JobSpec(payload_bytes=b"\x00", content_type="image/png", kind="k"), b"\x00", "image/png"),
    ],
)
async def test_a_schedules_job_can_be_said_again_as_it_was_read(
    script: Script, client: Client, spec: job_pb2.JobSpec, payload: object, content_type: str
) -> None:
    message = schedule_pb2.Schedule(id="s", job=spec)
    script.answer("GetSchedule", schedule_service_pb2.GetScheduleResponse(schedule=message))
    script.answer("UpdateSchedule", schedule_service_pb2.UpdateScheduleResponse(schedule=message))

    job = (await client.schedules.get("s")).job
    await client.schedules.update("s", job=job)

    assert (job.payload, job.content_type, job.idempotency_key) == (payload, content_type, None)
    [request] = script.requests("UpdateSchedule")
    assert request.schedule.job.payload_bytes == (spec.payload_bytes or b"{}")
    assert request.schedule.job.idempotency_key == ""


async def test_a_schedule_is_made_of_what_is_said(script: Script, client: Client) -> None:
    script.answer("CreateSchedule", schedule_service_pb2.CreateScheduleResponse(schedule=MESSAGE))

    await client.schedules.create(
        "nightly",
        cron="0 3 * * *",
        time_zone="Europe/Berlin",
        job=JobRequest("clean_up"),
        overlap_policy=OverlapPolicy.SKIP,
        catch_up_policy=CatchUpPolicy.ALL,
        jitter=timedelta(seconds=5),
        start_at=moment(1),
        description="at night",
    )

    expected = schedule_pb2.Schedule(
        id="nightly",
        cron="0 3 * * *",
        time_zone="Europe/Berlin",
        job=SPEC,
        overlap_policy=schedule_pb2.OVERLAP_POLICY_SKIP,
        catch_up_policy=schedule_pb2.CATCH_UP_POLICY_ALL,
        jitter=Duration(seconds=5),
        start_at=Timestamp(seconds=1),
        description="at night",
    )
    assert script.requests("CreateSchedule") == [schedule_service_pb2.CreateScheduleRequest(schedule=expected)]


async def test_two_timings_exclude_each_other(client: Client) -> None:
    with pytest.raises(ValueError, match="cron and interval exclude each other"):
        await client.schedules.create("s", cron="@daily", interval=timedelta(hours=1), job=JobRequest("k"))


async def test_an_update_names_what_is_said_and_what_is_cleared(script: Script, client: Client) -> None:
    script.answer("UpdateSchedule", schedule_service_pb2.UpdateScheduleResponse(schedule=MESSAGE))

    await client.schedules.update(
        "nightly", interval=timedelta(hours=1), job=JobRequest("k", priority=Priority.LOW), clear=["jitter"], etag="7"
    )

    [request] = script.requests("UpdateSchedule")
    assert request.update_mask == FieldMask(paths=["interval", "job", "jitter"])
    assert (request.schedule.id, request.schedule.etag, request.allow_missing) == ("nightly", "7", False)
    assert request.schedule.interval == Duration(seconds=3600)
    assert request.schedule.job.priority == job_pb2.JOB_PRIORITY_LOW


async def test_schedules_are_listed_page_after_page(script: Script, client: Client) -> None:
    script.answer(
        "ListSchedules",
        schedule_service_pb2.ListSchedulesResponse(schedules=[schedule_pb2.Schedule(id="a")], next_page_token="next"),
        schedule_service_pb2.ListSchedulesResponse(schedules=[schedule_pb2.Schedule(id="b")]),
    )

    assert [schedule.id async for schedule in client.schedules.list()] == ["a", "b"]


async def test_a_schedule_is_paused_resumed_triggered_and_deleted(script: Script, client: Client) -> None:
    script.answer("PauseSchedule", schedule_service_pb2.PauseScheduleResponse(schedule=MESSAGE))
    script.answer("ResumeSchedule", schedule_service_pb2.ResumeScheduleResponse(schedule=MESSAGE))
    script.answer("TriggerSchedule", schedule_service_pb2.TriggerScheduleResponse(job_id="job-2"))
    script.answer("DeleteSchedule", schedule_service_pb2.DeleteScheduleResponse())

    assert (await client.schedules.pause("nightly")).paused
    assert (await client.schedules.resume("nightly")).id == "nightly"
    assert await client.schedules.trigger("nightly", idempotency_key="once") == "job-2"
    await client.schedules.delete("nightly", allow_missing=True, etag="7")

    assert script.requests("TriggerSchedule") == [
        schedule_service_pb2.TriggerScheduleRequest(schedule_id="nightly", idempotency_key="once")
    ]
    assert script.requests("DeleteSchedule") == [
        schedule_service_pb2.DeleteScheduleRequest(schedule_id="nightly", allow_missing=True, etag="7")
    ]


async def test_the_times_of_a_schedule_are_told_without_making_it(script: Script, client: Client) -> None:
    script.answer("PreviewSchedule", schedule_service_pb2.PreviewScheduleResponse(run_times=[Timestamp(seconds=5)]))

    assert await client.schedules.preview(cron="@daily", time_zone="UTC", count=1) == [moment(5)]

    schedule = schedule_pb2.Schedule(cron="@daily", time_zone="UTC")
    assert script.requests("PreviewSchedule") == [
        schedule_service_pb2.PreviewScheduleRequest(schedule=schedule, count=1)
    ]
