"""Schedules between the client's values and the contract's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from google.protobuf.field_mask_pb2 import FieldMask

from gosynq.v1 import schedule_pb2, schedule_service_pb2
from gosynq_client import content
from gosynq_client.checked_options import check_list, check_options
from gosynq_client.enums import CATCH_UP_POLICIES, DEBOUNCE_MODES, OVERLAP_POLICIES, PRIORITIES, number_of
from gosynq_client.jobs import JobRequest, Priority
from gosynq_client.replies import length_if_set, moment_if_set, read_retry_policy
from gosynq_client.requests import job_spec
from gosynq_client.schedule_info import CatchUpPolicy, OverlapPolicy, Schedule, ScheduleOptions, ScheduleTiming
from gosynq_client.times import duration, moment_of, timestamp

if TYPE_CHECKING:
    from gosynq.v1 import job_pb2
    from gosynq_client.jobs import Content
    from gosynq_client.listing import Names

_TIMINGS: Final = ("cron", "interval", "once")


def schedule_message(schedule_id: str, options: ScheduleOptions, *, etag: str = "") -> schedule_pb2.Schedule:
    """Say what the schedule is.

    Raises TypeError for an option that is none, ValueError for a policy that is none, for two timings, or for a job
    that can't be said.
    """
    check_options(options, ScheduleOptions)
    given = [name for name in _TIMINGS if options.get(name)]
    if len(given) > 1:
        raise ValueError(f"{' and '.join(given)} exclude each other")
    job = options.get("job")
    message = schedule_pb2.Schedule(
        id=schedule_id,
        description=options.get("description", ""),
        interval=duration(options.get("interval")),
        once=timestamp(options.get("once")),
        time_zone=options.get("time_zone", ""),
        job=None if job is None else job_spec(job),
        overlap_policy=_overlap(options.get("overlap_policy")),
        catch_up_policy=_catch_up(options.get("catch_up_policy")),
        jitter=duration(options.get("jitter")),
        start_at=timestamp(options.get("start_at")),
        end_at=timestamp(options.get("end_at")),
        etag=etag,
    )
    if options.get("cron"):
        message.cron = options["cron"]
    return message


def schedule_update(
    schedule_id: str, options: ScheduleOptions, *, clear: Names, etag: str, create: bool
) -> schedule_service_pb2.UpdateScheduleRequest:
    """Ask for a schedule to be changed in what the options say, and in the fields to clear. Raises as above."""
    check_list("clear", clear)
    message = schedule_message(schedule_id, options, etag=etag)
    paths = dict.fromkeys([*(name for name, value in options.items() if value is not None), *clear])
    return schedule_service_pb2.UpdateScheduleRequest(
        schedule=message, update_mask=FieldMask(paths=list(paths)), allow_missing=create
    )


def preview(timing: ScheduleTiming, count: int) -> schedule_service_pb2.PreviewScheduleRequest:
    """Ask when a schedule would fire. Raises as above."""
    check_options(timing, ScheduleTiming)
    message = schedule_message("", cast("ScheduleOptions", timing))
    return schedule_service_pb2.PreviewScheduleRequest(schedule=message, count=count)


def read_schedule(message: schedule_pb2.Schedule) -> Schedule:
    """Read a schedule."""
    return Schedule(
        id=message.id,
        description=message.description,
        cron=message.cron,
        interval=length_if_set(message, "interval"),
        once=moment_if_set(message, "once"),
        time_zone=message.time_zone,
        job=read_spec(message.job),
        overlap_policy=OVERLAP_POLICIES.get(message.overlap_policy, OverlapPolicy.UNKNOWN),
        catch_up_policy=CATCH_UP_POLICIES.get(message.catch_up_policy, CatchUpPolicy.UNKNOWN),
        jitter=length_if_set(message, "jitter"),
        start_at=moment_if_set(message, "start_at"),
        end_at=moment_if_set(message, "end_at"),
        paused=message.paused,
        next_run_at=moment_if_set(message, "next_run_at"),
        last_run_at=moment_if_set(message, "last_run_at"),
        last_job_id=message.last_job_id,
        created_at=moment_of(message.created_at),
        updated_at=moment_of(message.updated_at),
        etag=message.etag,
        held_back=message.held_back,
    )


def read_spec(message: job_pb2.JobSpec) -> JobRequest:
    """Read what was said about a job, so that it can be said again."""
    payload, content_type = _content(message)
    return JobRequest(
        message.kind,
        payload,
        queue=message.queue,
        priority=PRIORITIES.get(message.priority, Priority.UNKNOWN) if message.priority else None,
        content_type=content_type,
        run_at=moment_if_set(message, "run_at"),
        delay=length_if_set(message, "delay"),
        idempotency_key=message.idempotency_key or None,
        labels=dict(message.labels),
        headers=dict(message.headers),
        max_retries=message.max_retries if message.HasField("max_retries") else None,
        max_deliveries=message.max_deliveries if message.HasField("max_deliveries") else None,
        retry_policy=read_retry_policy(message.retry_policy) if message.HasField("retry_policy") else None,
        lease_duration=length_if_set(message, "lease_duration"),
        attempt_timeout=length_if_set(message, "attempt_timeout"),
        expires_at=moment_if_set(message, "expires_at"),
        retention=length_if_set(message, "retention"),
        concurrency_key=message.concurrency_key,
        ordering_key=message.ordering_key,
        fairness_key=message.fairness_key,
        debounce_key=message.debounce_key,
        debounce_mode=DEBOUNCE_MODES.get(message.debounce_mode),
    )


def _overlap(policy: OverlapPolicy | None) -> schedule_pb2.OverlapPolicy.ValueType:
    return schedule_pb2.OVERLAP_POLICY_UNSPECIFIED if policy is None else number_of(OVERLAP_POLICIES, policy)


def _catch_up(policy: CatchUpPolicy | None) -> schedule_pb2.CatchUpPolicy.ValueType:
    return schedule_pb2.CATCH_UP_POLICY_UNSPECIFIED if policy is None else number_of(CATCH_UP_POLICIES, policy)


def _content(message: job_pb2.JobSpec) -> tuple[Content, str]:
    """Give a payload and the type that goes with it: none with a JSON object."""
    if message.WhichOneof("content") == "payload":
        return content.plain_object(message.payload), ""
    payload = content.decode(message.payload_bytes, message.content_type)
    return payload, message.content_type if isinstance(payload, bytes) else ""
