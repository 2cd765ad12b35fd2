"""What a schedule is: when it fires, and the job that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from gosynq_client.jobs import JobRequest


class OverlapPolicy(StrEnum):
    """What to do when the last job is not over at the next firing; UNKNOWN is one newer than this client."""

    ALLOW = "allow"
    SKIP = "skip"
    CANCEL_PREVIOUS = "cancel_previous"
    QUEUE = "queue"
    UNKNOWN = "unknown"


class CatchUpPolicy(StrEnum):
    """What to do with firings that were missed; UNKNOWN is one newer than this client."""

    NONE = "none"
    ONE = "one"
    ALL = "all"
    UNKNOWN = "unknown"


class ScheduleTiming(TypedDict, total=False):
    """When a schedule fires: by one of `cron`, `interval` and `once`.

    `cron` has five fields, or is @hourly, @daily, @weekly, @monthly or @yearly, in the IANA `time_zone` (UTC unless
    said). `interval` is counted from `start_at`, or else from the creation. `once` is a moment. There is no firing
    before `start_at` and after `end_at`. Moments are aware.
    """

    cron: str
    interval: timedelta | None
    once: datetime | None
    time_zone: str
    start_at: datetime | None
    end_at: datetime | None


class ScheduleOptions(ScheduleTiming, total=False):
    """What may be said of a schedule beside its id: when it fires, and how.

    `job` is what it makes: without run_at, delay, expires_at and keys for idempotency or debouncing. `overlap_policy`
    (ALLOW unless said) is for a last job that is not over, `catch_up_policy` (ONE) for firings that were missed.
    `jitter` puts each firing off by a random part of it.
    """

    job: JobRequest
    description: str
    overlap_policy: OverlapPolicy | None
    catch_up_policy: CatchUpPolicy | None
    jitter: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as the server holds it. One of cron, interval and once is set. Moments are aware, in UTC.

    `held_back` says why the firing at `next_run_at` is held back; it is empty where it is not.
    """

    id: str
    description: str
    cron: str
    interval: timedelta | None
    once: datetime | None
    time_zone: str
    job: JobRequest
    overlap_policy: OverlapPolicy
    catch_up_policy: CatchUpPolicy
    jitter: timedelta | None
    start_at: datetime | None
    end_at: datetime | None
    paused: bool
    next_run_at: datetime | None
    last_run_at: datetime | None
    last_job_id: str
    created_at: datetime
    updated_at: datetime
    etag: str
    held_back: str
