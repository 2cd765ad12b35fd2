"""How schedules are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gosynq_server.cli.output import cell, print_fields, print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from gosynq_client import Schedule

_COLUMNS = ("SCHEDULE", "FIRES", "ZONE", "STATE", "NEXT", "LAST", "QUEUE", "KIND", "OVERLAP", "DESCRIPTION")


async def tell_schedules(schedules: AsyncIterator[Schedule], *, json: bool) -> None:
    """Print schedules: a table, or one document a line as they come."""
    rows = []
    async for schedule in schedules:
        if json:
            print_json(schedule)
        else:
            rows.append(_row(schedule))
    if not json:
        print_table(_COLUMNS, rows)


def tell_schedule(schedule: Schedule, *, json: bool) -> None:
    """Print one schedule, and what is said of its job."""
    if json:
        print_json(schedule)
        return
    job = schedule.job
    print_fields(
        {
            "id": schedule.id,
            "description": schedule.description,
            "fires": _fires(schedule),
            "time zone": schedule.time_zone,
            "from": schedule.start_at,
            "until": schedule.end_at,
            "jitter": schedule.jitter,
            "overlap policy": schedule.overlap_policy.value,
            "catch-up policy": schedule.catch_up_policy.value,
            "state": _state(schedule),
            "next": schedule.next_run_at,
            "last": schedule.last_run_at,
            "last job": schedule.last_job_id,
            "created": schedule.created_at,
            "updated": schedule.updated_at,
            "etag": schedule.etag,
            "queue": job.queue,
            "kind": job.kind,
            "payload": job.payload,
            "priority": job.priority and job.priority.value,
            "retries": job.max_retries,
            "labels": job.labels,
            "concurrency key": job.concurrency_key,
            "ordering key": job.ordering_key,
            "fairness key": job.fairness_key,
        }
    )


def tell_firings(moments: Sequence[datetime], time_zone: str, *, json: bool) -> None:
    """Print when a schedule would fire, in UTC, and beside it by the clock of its zone where it has one."""
    zone = _zone(time_zone)
    for moment in moments:
        if json:
            print_json({"run_at": moment})
        else:
            local = f"  {moment.astimezone(zone):%a %Y-%m-%d %H:%M:%S %Z}" if zone else ""
            print_line(f"{cell(moment).plain}{local}")
    if not moments and not json:
        print_line("it would never fire")


def _row(schedule: Schedule) -> tuple[object, ...]:
    return (
        schedule.id,
        _fires(schedule),
        schedule.time_zone or "UTC",
        _state(schedule),
        schedule.next_run_at,
        schedule.last_run_at,
        schedule.job.queue,
        schedule.job.kind,
        schedule.overlap_policy.value,
        schedule.description,
    )


def _fires(schedule: Schedule) -> str:
    if schedule.cron:
        return schedule.cron
    if schedule.interval is not None:
        return f"every {cell(schedule.interval).plain}"
    return f"once, {cell(schedule.once).plain}"


def _state(schedule: Schedule) -> str:
    if schedule.held_back:
        return f"held back: {schedule.held_back}"
    return "paused" if schedule.paused else "active"


def _zone(name: str) -> ZoneInfo | None:
    """Give the zone; None for one that only the server knows."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
