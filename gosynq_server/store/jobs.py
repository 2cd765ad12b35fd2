"""Jobs in the database: added, read, and moved by a verb from one stage to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobStatus, Stage
from gosynq_server.store.records import labels_text, retry_policy_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from asyncpg import Record

    from gosynq_server.domain.event import EventFilter
    from gosynq_server.domain.job import JobId, JobSpec, Priority
    from gosynq_server.store.database import Executor


_FIRST_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job about to be added: its spec, the id and priority given to it, and a fingerprint if it has a key."""

    id: JobId
    spec: JobSpec
    priority: Priority
    fingerprint: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """When an added job was created and may start, by the database's clock."""

    created_at: datetime
    run_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a job is, and what a verb needs to know of it there."""

    queue: str
    stage: Stage
    status: JobStatus
    retention: timedelta | None
    worker_id: str


async def insert(
    executor: Executor, queue: str, jobs: Sequence[NewJob], *, inline_limit: int, window: timedelta
) -> dict[JobId, Added]:
    """Add jobs to one queue; those whose key is taken are left out of what is returned.

    inline_limit is the size in bytes above which a payload is stored apart; window is how long a key is held at least.
    """
    ordered = sorted(jobs, key=lambda job: job.spec.idempotency_key)
    specs = [job.spec for job in ordered]
    rows = await executor.fetch(
        "jobs_insert",
        queue,
        [job.id for job in ordered],
        [spec.kind for spec in specs],
        [job.priority for job in ordered],
        [spec.payload for spec in specs],
        [spec.content_type for spec in specs],
        *(_column(specs, name) for name in _OPTIONAL_COLUMNS),
        _unless_empty([retry_policy_text(spec.retry_policy) for spec in specs]),
        _unless_empty([labels_text(spec.labels) for spec in specs]),
        _unless_empty([labels_text(spec.headers) for spec in specs]),
        _unless_empty([spec.idempotency_key or None for spec in specs]),
        _unless_empty([job.fingerprint for job in ordered]),
        inline_limit,
        window,
        *(_unless_empty([getattr(spec, name) or None for spec in specs]) for name in (*_KEY_COLUMNS, "schedule_id")),
    )
    return {job_id(row): Added(created_at=row["created_at"], run_at=row["starts_at"]) for row in rows}


async def replace(executor: Executor, queue: str, job: JobId, new: NewJob, *, inline_limit: int) -> bool:
    """Give a job that waits for its first lease a new spec, its start included; False where it has moved on."""
    spec = new.spec
    return bool(
        await executor.fetch(
            "jobs_replace",
            queue,
            job,
            spec.kind,
            new.priority,
            spec.payload,
            spec.content_type,
            *(getattr(spec, name) for name in _OPTIONAL_COLUMNS),
            retry_policy_text(spec.retry_policy),
            labels_text(spec.labels),
            labels_text(spec.headers),
            *(getattr(spec, name) or None for name in _KEY_COLUMNS),
            inline_limit,
        )
    )


_OPTIONAL_COLUMNS = (
    "run_at",
    "delay",
    "expires_at",
    "max_retries",
    "max_deliveries",
    "lease_duration",
    "attempt_timeout",
    "retention",
)

_KEY_COLUMNS = ("concurrency_key", "ordering_key", "fairness_key")


def _column(specs: Sequence[JobSpec], name: str) -> list[object]:
    return _unless_empty([getattr(spec, name) for spec in specs])


def _unless_empty(values: Sequence[object]) -> list[object]:
    """Leave a column of nulls out: the statement fills short arrays up."""
    return list(values) if any(value is not None for value in values) else []


def job_id(row: Record) -> JobId:
    """Read a row's job id."""
    return str(row["id"])  # type: ignore[return-value] # the column is what a JobId is made of


async def locate(executor: Executor, job: JobId) -> Location | None:
    """Say where a job is, or None where there is none, as of one moment."""
    rows = await executor.fetch("jobs_locate", job)
    if not rows:
        return None
    return _location_of(rows[0])


def _location_of(row: Record) -> Location:
    return Location(
        queue=row["queue"],
        stage=Stage(row["stage"]),
        status=JobStatus(row["status"]),
        retention=row["retention"],
        worker_id=row["worker_id"],
    )


async def locate_unfinished(executor: Executor, jobs: Sequence[JobId]) -> dict[JobId, Location]:
    """Say where those of some jobs are that are not terminal, as of one moment."""
    rows = await executor.fetch("jobs_locate_unfinished", jobs) if jobs else ()
    return {job_id(row): _location_of(row) for row in rows}


async def get(executor: Executor, jobs: Sequence[JobId], *, whole: bool) -> Sequence[Record]:
    """Read jobs in no order, with payload, headers and result if whole; those that are gone give no row."""
    return await executor.fetch("jobs_get_full" if whole else "jobs_get", jobs)


async def unfinished(executor: Executor, wanted: EventFilter, *, after: JobId | None, limit: int) -> list[JobId]:
    """Name jobs that are not terminal, by queue, kind and priority as wanted, in the order of their ids."""
    rows = await executor.fetch(
        "jobs_unfinished",
        list(wanted.queues) or None,
        list(wanted.kinds) or None,
        list(wanted.priorities) or None,
        after or _FIRST_ID,
        limit,
    )
    return [job_id(row) for row in rows]


async def list_page(
    executor: Executor, conditions: Conditions, *, newest_first: bool, after: JobId | None, limit: int
) -> Sequence[Record]:
    """Read a page of jobs, by id."""
    return await executor.fetch(
        "jobs_list_newest" if newest_first else "jobs_list_oldest",
        conditions.statuses or None,
        conditions.queues or None,
        conditions.kinds or None,
        conditions.priorities or None,
        conditions.path,
        after,
        limit,
        conditions.asks_about_errors,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Which jobs a list holds: empty lists set no condition; path is what their facts must match, or None."""

    statuses: list[JobStatus]
    queues: list[str]
    kinds: list[str]
    priorities: list[Priority]
    path: str | None
    asks_about_errors: bool


async def list_attempts(executor: Executor, job: JobId, *, after: int | None, limit: int) -> Sequence[Record]:
    """Read attempts of one job, newest first, after a lease sequence."""
    return await executor.fetch("attempts_list", job, after, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long jobs stay after their end: those that do not say it themselves, and every job at least."""

    retention: timedelta
    window: timedelta


async def cancel_pending(
    executor: Executor, queue: str, jobs: Sequence[JobId], *, stage: Stage, kept: Kept, reason: str
) -> set[JobId]:
    """Cancel scheduled or ready jobs of one queue; return those that were there."""
    rows = await executor.fetch(f"jobs_cancel_{stage}", queue, jobs, kept.retention, kept.window, reason)
    return set(map(job_id, rows))


async def request_cancel(executor: Executor, queue: str, jobs: Sequence[JobId], *, reason: str) -> dict[JobId, bool]:
    """Ask for the cancel of running jobs of one queue; say of those that are there whether it is asked for only now."""
    return {job_id(row): row["asked"] for row in await executor.fetch("jobs_request_cancel", queue, jobs, reason)}


async def cancel_running(executor: Executor, queue: str, job: JobId, *, kept_for: timedelta, reason: str) -> bool:
    """Cancel a running job, voiding its lease; False where it is no longer running."""
    return bool(await executor.fetch("jobs_cancel_running", queue, job, kept_for, reason))


async def reschedule(executor: Executor, queue: str, job: JobId, *, stage: Stage, run_at: datetime | None) -> bool:
    """Give a pending job another start; False where it has moved on."""
    return bool(await executor.fetch(f"jobs_reschedule_{stage}", queue, job, run_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When jobs are to run, None being now, and how much later each of them; without delays all at once."""

    run_at: datetime | None
    delays: Mapping[JobId, timedelta] = field(default_factory=dict)

    def delays_of(self, jobs: Sequence[JobId]) -> list[timedelta]:
        """Return how much later each of these is to run."""
        return [self.delays.get(job, timedelta()) for job in jobs]


async def retry(
    executor: Executor, queue: str, jobs: Sequence[JobId], *, start: Start, statuses: Collection[JobStatus]
) -> set[JobId]:
    """Make failed or cancelled jobs of one queue pending; return those that were there in one of these statuses."""
    rows = await executor.fetch("jobs_retry_finished", queue, jobs, start.run_at, start.delays_of(jobs), list(statuses))
    return set(map(job_id, rows))


async def move_dead_letters(
    executor: Executor, queue: str, jobs: Sequence[JobId], *, start: Start, target: str
) -> set[JobId]:
    """Make dead letters of one queue pending in another one; return those that were there."""
    rows = await executor.fetch("dead_letters_move", queue, jobs, start.run_at, start.delays_of(jobs), target)
    return set(map(job_id, rows))


async def delete_running(executor: Executor, queue: str, job: JobId) -> bool:
    """Delete a running job, voiding its lease; False where it is no longer running."""
    return bool(await executor.fetch("jobs_delete_running", queue, job))


async def delete_pending(executor: Executor, queue: str, jobs: Sequence[JobId], *, stage: Stage) -> set[JobId]:
    """Delete scheduled or ready jobs of one queue; return those that were there."""
    return set(map(job_id, await executor.fetch(f"jobs_delete_{stage}", queue, jobs)))


async def delete_finished(
    executor: Executor, queue: str, jobs: Sequence[JobId], *, statuses: Collection[JobStatus]
) -> set[JobId]:
    """Delete finished jobs of one queue; return those that were there in one of these statuses."""
    return set(map(job_id, await executor.fetch("jobs_delete_finished", queue, jobs, list(statuses))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """How many due jobs became ready, and how many wait from now on for a place of their key."""

    ready_count: int
    held_count: int


async def promote(executor: Executor, queue: str, *, limit: int) -> Promoted:
    """Make due scheduled jobs of one queue ready."""
    row = (await executor.fetch("jobs_promote", queue, limit))[0]
    return Promoted(ready_count=row["ready_count"], held_count=row["held_count"])


async def expire(
    executor: Executor, *, stage: Stage, limit: int, retention: timedelta, window: timedelta
) -> list[JobId]:
    """Cancel scheduled or ready jobs that were not started in time; return their ids.

    retention is that of jobs for which neither they nor their queues say it; window is how long every job stays.
    """
    return [job_id(row) for row in await executor.fetch(f"jobs_expire_{stage}", limit, retention, window)]
