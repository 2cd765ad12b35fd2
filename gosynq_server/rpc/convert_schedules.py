"""Schedules between the wire and the domain, and what an update makes of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import job_pb2, schedule_pb2, schedule_service_pb2
from gosynq_server.domain.errors import FieldViolation, ValidationFailed
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy, Schedule, ScheduleSpec
from gosynq_server.rpc.convert import duration, length_of, moment_of, text_of, timestamp
from gosynq_server.rpc.convert_specs import spec_message, spec_of
from gosynq_server.rpc.masks import covered, merge
from gosynq_server.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from google.protobuf import timestamp_pb2

    from gosynq_server.domain.schedule import SchedulePage

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000
_PREVIEWED = 5

_OVERLAP_NUMBERS = {
    policy: schedule_pb2.OverlapPolicy.Value(f"OVERLAP_POLICY_{policy.name}") for policy in OverlapPolicy
}
_CATCH_UP_NUMBERS = {
    policy: schedule_pb2.CatchUpPolicy.Value(f"CATCH_UP_POLICY_{policy.name}") for policy in CatchUpPolicy
}
_OVERLAPS = {0: OverlapPolicy.ALLOW} | {number: policy for policy, number in _OVERLAP_NUMBERS.items()}
_CATCH_UPS = {0: CatchUpPolicy.ONE} | {number: policy for policy, number in _CATCH_UP_NUMBERS.items()}

_SERVERS_OWN = ("paused", "next_run_at", "last_run_at", "last_job_id", "created_at", "updated_at", "etag", "held_back")
_PASSED_OVER = frozenset({"id", *_SERVERS_OWN})


def schedule_spec_of(schedule: schedule_pb2.Schedule) -> ScheduleSpec:
    """Return what a caller says of a schedule that keeps the schema's rules; ValidationFailed names fields."""
    return ScheduleSpec(
        id=schedule.id,
        job=spec_of(schedule.job, "schedule.job"),
        description=text_of(schedule.description, "schedule.description"),
        cron=text_of(schedule.cron, "schedule.cron"),
        interval=length_of(schedule.interval, "schedule.interval") if schedule.HasField("interval") else None,
        once=_moment(schedule.once, "once") if schedule.HasField("once") else None,
        time_zone=text_of(schedule.time_zone, "schedule.time_zone"),
        overlap_policy=_OVERLAPS[schedule.overlap_policy],
        catch_up_policy=_CATCH_UPS[schedule.catch_up_policy],
        jitter=length_of(schedule.jitter, "schedule.jitter"),
        start_at=_moment(schedule.start_at, "start_at") if schedule.HasField("start_at") else None,
        end_at=_moment(schedule.end_at, "end_at") if schedule.HasField("end_at") else None,
    )


def previewed_spec_of(schedule: schedule_pb2.Schedule) -> ScheduleSpec:
    """Return when a schedule is due, whatever else it says or does not; ValidationFailed names fields."""
    asked = schedule_pb2.Schedule(id="preview", job=job_pb2.JobSpec(queue="preview"))
    merge(asked, schedule, ("cron", "interval", "once", "time_zone", "start_at", "end_at"))
    _check(asked)
    return schedule_spec_of(asked)


def previewed_count(asked: int) -> int:
    """Return how many firings to preview."""
    return asked or _PREVIEWED


def change_of(request: schedule_service_pb2.UpdateScheduleRequest) -> Callable[[ScheduleSpec | None], ScheduleSpec]:
    """Return what an update makes of a schedule, None standing for one that there is not; raises UpdateMaskInvalid.

    What is made keeps the schema's rules, or ValidationFailed names fields.
    """
    wanted, paths = request.schedule, covered(request.update_mask, request.schedule, passed_over=_PASSED_OVER)

    def change(spec: ScheduleSpec | None) -> ScheduleSpec:
        becoming = wanted
        if spec is not None:
            becoming = _spec_message(spec)
            merge(becoming, wanted, paths)
        _check(becoming)
        return schedule_spec_of(becoming)

    return change


def schedule_message(schedule: Schedule) -> schedule_pb2.Schedule:
    """Return a schedule as callers get it."""
    message = _spec_message(schedule.spec)
    message.paused = schedule.paused
    message.last_job_id = schedule.last_job_id or ""
    message.etag = schedule.etag
    message.held_back = schedule.held_back
    for name in ("next_run_at", "last_run_at", "created_at", "updated_at"):
        if (stamp := timestamp(getattr(schedule, name))) is not None:
            getattr(message, name).CopyFrom(stamp)
    return message


def schedule_page_size_of(asked: int) -> int:
    """Return how many to give: 0 asks for the default, too many for the most (AIP-158)."""
    return min(asked or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def schedules_message(page: SchedulePage) -> schedule_service_pb2.ListSchedulesResponse:
    """Return a page of schedules."""
    return schedule_service_pb2.ListSchedulesResponse(
        schedules=map(schedule_message, page.schedules), next_page_token=page.next_page_token
    )


def _spec_message(spec: ScheduleSpec) -> schedule_pb2.Schedule:
    message = schedule_pb2.Schedule(
        id=spec.id,
        description=spec.description,
        interval=duration(spec.interval),
        once=timestamp(spec.once),
        time_zone=spec.time_zone,
        job=spec_message(spec.job),
        overlap_policy=_OVERLAP_NUMBERS[spec.overlap_policy],
        catch_up_policy=_CATCH_UP_NUMBERS[spec.catch_up_policy],
        jitter=duration(spec.jitter) if spec.jitter else None,
        start_at=timestamp(spec.start_at),
        end_at=timestamp(spec.end_at),
    )
    if spec.cron:
        message.cron = spec.cron
    return message


def _check(schedule: schedule_pb2.Schedule) -> None:
    """Hold the schema's rules; they are broken by fields of the request's schedule."""
    try:
        check(schedule)
    except ValidationFailed as error:
        raise ValidationFailed(tuple(map(_in_request, error.violations))) from None


def _in_request(found: FieldViolation) -> FieldViolation:
    field = "schedule" if found.field == "request" else f"schedule.{found.field}"
    return FieldViolation(field=field, description=found.description, reason=found.reason)


def _moment(stamp: timestamp_pb2.Timestamp, name: str) -> datetime:
    return moment_of(stamp, f"schedule.{name}")
