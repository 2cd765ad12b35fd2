"""A schedule: what a caller says of it, when it is due, and what it fires of what is due."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import assert_never

from gosynq_server.domain.errors import FieldViolation, ScheduleInvalid
from gosynq_server.domain.job import JobId, JobSpec
from gosynq_server.domain.timing import Interval, Once, Timing, cron_of, zone_of
from gosynq_server.domain.versions import etag_of

ON_TIME = timedelta(minutes=1)
"""A firing that is no later has not been missed."""

_CAUGHT_UP = 100
_CAUGHT_UP_AGE = timedelta(days=1)
_SECOND, _MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


class OverlapPolicy(StrEnum):
    """What to do when the last job of a schedule is not terminal at the next firing."""

    ALLOW = "allow"
    SKIP = "skip"
    CANCEL_PREVIOUS = "cancel_previous"
    QUEUE = "queue"


class CatchUpPolicy(StrEnum):
    """What to do with firings that were missed."""

    NONE = "none"
    ONE = "one"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """What a caller says of a schedule: one of cron, interval and once, and the job that it makes."""

    id: str
    job: JobSpec
    description: str = ""
    cron: str = ""
    interval: timedelta | None = None
    once: datetime | None = None
    time_zone: str = ""
    overlap_policy: OverlapPolicy = OverlapPolicy.ALLOW
    catch_up_policy: CatchUpPolicy = CatchUpPolicy.ONE
    jitter: timedelta = timedelta()
    start_at: datetime | None = None
    end_at: datetime | None = None

    def timing(self, created_at: datetime) -> Timing:
        """Return what says when it is due. Raises ScheduleInvalid."""
        zone_of(self.time_zone)
        if self.interval is not None:
            return Interval(every=self.interval, anchor=self.start_at or created_at)
        return cron_of(self.cron, self.time_zone) if self.once is None else Once(at=self.once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it is. version rises with every change, firings apart; held_back says why a firing waits."""

    spec: ScheduleSpec
    paused: bool = False
    next_run_at: datetime | None = None
    held_back: str = ""
    last_run_at: datetime | None = None
    last_job_id: JobId | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 1

    @property
    def etag(self) -> str:
        """What tells this state of it from every other, and from those of one of its name that was deleted."""
        return etag_of(self.created_at, self.version)

    @property
    def calendar(self) -> Calendar:
        """When it is due. Raises ScheduleInvalid."""
        return calendar_of(self.spec, self.created_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """A page of schedules; an empty token ends the list."""

    schedules: tuple[Schedule, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """All due times of a schedule: those of its timing between its start and its end."""

    timing: Timing
    start_at: datetime | None = None
    end_at: datetime | None = None

    def due_after(self, moment: datetime) -> datetime | None:
        """Return the first due time after a moment, or None where there is none."""
        if self.start_at is not None and self.start_at > moment:
            moment = self.start_at - _MICROSECOND
        due = self.timing.due_after(moment)
        return None if due is None or (self.end_at is not None and due > self.end_at) else due

    def all_after(self, moment: datetime) -> Iterator[datetime]:
        """Give the due times after a moment, soonest first."""
        while (due := self.due_after(moment)) is not None:
            yield due
            moment = due

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Give the due times from one moment to another, both included."""
        for due in self.all_after(first - _MICROSECOND):
            if due > last:
                return
            yield due

    def last_before(self, now: datetime, *, first: datetime) -> datetime:
        """Return the last due time up to now, first being one of them: found by halving, however many there are."""
        low, high = first, now
        while high - low >= _SECOND:  # no two due times are closer
            due = self.due_after(low + (high - low) / 2)
            if due is None or due > now:
                high = low + (high - low) / 2
            else:
                low = due
        return low


def calendar_of(spec: ScheduleSpec, created_at: datetime) -> Calendar:
    """Return all due times of a schedule that was created at a moment. Raises ScheduleInvalid."""
    return Calendar(timing=spec.timing(created_at), start_at=spec.start_at, end_at=spec.end_at)


def preview(spec: ScheduleSpec, now: datetime, *, count: int) -> list[datetime]:
    """Return the next due times of a schedule that would be created now. Raises ScheduleInvalid."""
    return list(islice(calendar_of(spec, now).all_after(now), count))


def first_due(spec: ScheduleSpec, now: datetime, *, created_at: datetime) -> datetime:
    """Return the first due time after now; raises ScheduleInvalid where there is none."""
    due = calendar_of(spec, created_at).due_after(now)
    if due is None:
        field = "once" if spec.once is not None else "interval" if spec.interval is not None else "cron"
        description = f"must be due after now ({now:%Y-%m-%dT%H:%M:%SZ}), and between start_at and end_at"
        raise ScheduleInvalid((FieldViolation(field=f"schedule.{field}", description=description),))
    return due


def same_timing(spec: ScheduleSpec, other: ScheduleSpec) -> bool:
    """Say whether two specs are due at the same times."""
    return all(getattr(spec, name) == getattr(other, name) for name in _TIMING_FIELDS)


_TIMING_FIELDS = ("cron", "interval", "once", "time_zone", "start_at", "end_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The due times to fire now, the earliest first, and the one that comes then."""

    due: tuple[datetime, ...]
    next: datetime | None

    def at_most(self, count: int) -> Plan:
        """Leave what is beyond for the next time."""
        return self if len(self.due) <= count else Plan(due=self.due[:count], next=self.due[count])


def plan(schedule: Schedule, now: datetime, *, is_busy: bool) -> Plan:
    """Decide what a schedule fires that is due at next_run_at or has been since. Raises ScheduleInvalid.

    is_busy: its last job is not terminal.
    """
    calendar = schedule.calendar
    due = _caught_up(schedule.spec, calendar, now, first=schedule.next_run_at or now)
    return Plan(due=_overlapping(schedule.spec.overlap_policy, due, is_busy=is_busy), next=calendar.due_after(now))


def _caught_up(spec: ScheduleSpec, calendar: Calendar, now: datetime, *, first: datetime) -> tuple[datetime, ...]:
    if now - first <= ON_TIME:
        return tuple(calendar.between(first, now))
    match spec.catch_up_policy:
        case CatchUpPolicy.NONE:
            last = calendar.last_before(now, first=first)
            return (last,) if now - last <= ON_TIME else ()
        case CatchUpPolicy.ONE:
            return (calendar.last_before(now, first=first),)
        case CatchUpPolicy.ALL:
            since = max(first, now - _CAUGHT_UP_AGE)
            if spec.interval is not None:
                since = max(since, now - _CAUGHT_UP * spec.interval)
            return tuple(deque(calendar.between(since, now), maxlen=_CAUGHT_UP))
        case _:
            assert_never(spec.catch_up_policy)


def _overlapping(policy: OverlapPolicy, due: tuple[datetime, ...], *, is_busy: bool) -> tuple[datetime, ...]:
    match policy:
        case OverlapPolicy.ALLOW | OverlapPolicy.QUEUE:
            return due
        case OverlapPolicy.SKIP:
            return () if is_busy else due[-1:]
        case OverlapPolicy.CANCEL_PREVIOUS:
            # Each would cancel the one before it.
            return due[-1:]
        case _:
            assert_never(policy)


def fired_spec(spec: ScheduleSpec, due: datetime, now: datetime, *, chance: float) -> JobSpec:
    """Return the job of one firing, chance being from 0 to 1. It starts at its due time, or a part of the jitter on.

    Its key begins with what no caller can send (JobSpec.idempotency_key takes printable ASCII), so that nobody's own
    key stands in for a firing.
    """
    start = max(due, now) + spec.jitter * chance if spec.jitter else due
    return replace(_own_spec(spec), run_at=start, idempotency_key=f"§schedule/{spec.id}/{due:%Y-%m-%dT%H:%M:%S.%fZ}")


def triggered_spec(spec: ScheduleSpec, *, idempotency_key: str) -> JobSpec:
    """Return the job that is made at once when a schedule is triggered."""
    return replace(_own_spec(spec), idempotency_key=idempotency_key)


def _own_spec(spec: ScheduleSpec) -> JobSpec:
    ordering_key = f"schedule/{spec.id}" if spec.overlap_policy is OverlapPolicy.QUEUE else spec.job.ordering_key
    return replace(spec.job, schedule_id=spec.id, ordering_key=ordering_key)
