"""Schedules in the database: written, read, and moved on as they fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy, Schedule, ScheduleSpec
from gosynq_server.store.job_templates import settings_text, template_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from asyncpg import Record

    from gosynq_server.store.database import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A schedule that is locked until its transaction ends, and the database's time."""

    schedule: Schedule
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a schedule stands after it was looked at; last_run_at and last_job_id are None where it did not fire."""

    id: str
    next_run_at: datetime | None
    look_at: datetime | None
    held_back: str = ""
    last_run_at: datetime | None = None
    last_job_id: JobId | None = None


async def now(executor: Executor) -> datetime:
    """Read the database's clock."""
    moment: datetime = await executor.fetch_value("database_time")
    return moment


async def insert(
    executor: Executor, spec: ScheduleSpec, *, created_at: datetime, next_run_at: datetime
) -> Schedule | None:
    """Add a schedule; None where there is one of its id."""
    rows = await executor.fetch("schedules_insert", *_said(spec), created_at, next_run_at)
    return _schedule_of(rows[0]) if rows else None


async def get(executor: Executor, schedule_id: str) -> Schedule | None:
    """Read a schedule, or None where there is none."""
    rows = await executor.fetch("schedules_get", schedule_id)
    return _schedule_of(rows[0]) if rows else None


async def lock(executor: Executor, schedule_id: str) -> Locked | None:
    """Read a schedule and lock it, or None where there is none."""
    rows = await executor.fetch("schedules_lock", schedule_id)
    return _locked_of(rows[0]) if rows else None


async def list_page(executor: Executor, *, after: str, limit: int, content_limit: int) -> list[Schedule]:
    """Read schedules behind an id, in the order of the ids, at least one and then as many as stay below content_limit.

    content_limit is in bytes of payloads and settings.
    """
    rows = await executor.fetch("schedules_list", after, limit, content_limit)
    return [_schedule_of(row) for row in rows]


async def update(executor: Executor, spec: ScheduleSpec, *, next_run_at: datetime | None) -> Schedule:
    """Write what a locked schedule says and when it is due next, as a new version."""
    return _schedule_of((await executor.fetch("schedules_update", *_said(spec), next_run_at))[0])


async def set_paused(executor: Executor, schedule_id: str, *, paused: bool, next_run_at: datetime | None) -> Schedule:
    """Pause a locked schedule, or let it go on, as a new version."""
    return _schedule_of((await executor.fetch("schedules_set_paused", schedule_id, paused, next_run_at))[0])


async def delete(executor: Executor, schedule_id: str) -> None:
    """Delete a schedule."""
    await executor.fetch("schedules_delete", schedule_id)


async def lock_due(executor: Executor, *, limit: int) -> list[Locked]:
    """Read and lock schedules that are due, the earliest first, but for those that others have locked."""
    return [_locked_of(row) for row in await executor.fetch("schedules_due", limit)]


async def due_in(executor: Executor) -> timedelta | None:
    """Say how long it is until the next schedule is due; negative where it is, None where there is none."""
    wait: timedelta | None = await executor.fetch_value("schedules_due_in")
    return wait


async def move(executor: Executor, moved: Sequence[Moved]) -> None:
    """Write where locked schedules stand."""
    await executor.fetch(
        "schedules_move",
        [each.id for each in moved],
        [each.next_run_at for each in moved],
        [each.look_at for each in moved],
        [each.held_back for each in moved],
        [each.last_run_at for each in moved],
        [each.last_job_id for each in moved],
    )


async def note_trigger(executor: Executor, schedule_id: str, job: JobId) -> None:
    """Write down the job that a locked schedule has just been made to make."""
    await executor.fetch("schedules_note_trigger", schedule_id, job)


def _said(spec: ScheduleSpec) -> tuple[object, ...]:
    return (
        spec.id,
        spec.description,
        spec.cron or None,
        spec.interval,
        spec.once,
        spec.time_zone,
        spec.start_at,
        spec.end_at,
        spec.overlap_policy,
        spec.catch_up_policy,
        spec.jitter,
        spec.job.queue,
        spec.job.kind,
        spec.job.content_type,
        spec.job.payload,
        settings_text(spec.job),
    )


def _locked_of(row: Record) -> Locked:
    return Locked(schedule=_schedule_of(row), now=row["now"])


def _schedule_of(row: Record) -> Schedule:
    return Schedule(
        spec=_spec_of(row),
        paused=row["paused"],
        next_run_at=row["next_run_at"],
        held_back=row["held_back"],
        last_run_at=row["last_run_at"],
        last_job_id=None if row["last_job_id"] is None else JobId(str(row["last_job_id"])),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def _spec_of(row: Record) -> ScheduleSpec:
    return ScheduleSpec(
        id=row["id"],
        job=template_of(row),
        description=row["description"],
        cron=row["cron"] or "",
        interval=row["every"],
        once=row["once"],
        time_zone=row["time_zone"],
        overlap_policy=OverlapPolicy(row["overlap_policy"]),
        catch_up_policy=CatchUpPolicy(row["catch_up_policy"]),
        jitter=row["jitter"],
        start_at=row["start_at"],
        end_at=row["end_at"],
    )
