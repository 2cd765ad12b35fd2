"""What the database says in the end: every job, every event and every attempt that did not end well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job; None is the server's default."""

    id: str
    status: JobStatus
    key: str
    revision: int
    lease_seq: int
    failures: int
    deliveries: int
    max_retries: int | None
    max_deliveries: int | None
    lease_duration: timedelta | None
    attempt_timeout: timedelta | None
    finished_at: datetime | None
    queue: str = "default"
    ordering_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event of one job."""

    job_id: str
    type: EventType
    status: JobStatus
    revision: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt that did not end well."""

    job_id: str
    lease_seq: int
    outcome: str
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables in one snapshot; each job's events by revision, and what the server tells of how many jobs there are.

    Statuses without jobs may be left out of counts; None: they were not asked for.
    """

    jobs: Sequence[JobRow] = ()
    events: Sequence[EventRow] = ()
    attempts: Sequence[AttemptRow] = ()
    counts: Mapping[str, int] | None = None


_JOBS = """
    SELECT id::text, status, coalesce(idempotency_key, '') AS key, revision, lease_seq, failures, deliveries,
        max_retries, max_deliveries, lease_duration, attempt_timeout, finished_at, queue, ordering_key
    FROM gosynq.jobs
    ORDER BY id
"""
_EVENTS = """
    SELECT job_id::text, type, status, revision, occurred_at
    FROM gosynq.events, unnest(job_ids, revisions) AS job (job_id, revision)
    ORDER BY job_id, revision
"""
_ATTEMPTS = """
    SELECT job_id::text, lease_seq, outcome, started_at, finished_at
    FROM gosynq.attempts
    ORDER BY job_id, lease_seq
"""
_COUNTS = """
    SELECT sum(pending)::bigint AS pending, sum(processing)::bigint AS processing, sum(completed)::bigint AS completed,
        sum(failed)::bigint AS failed, sum(cancelled)::bigint AS cancelled
    FROM gosynq.queue_totals(NULL)
"""


async def read_tables(database_url: str) -> Tables:
    """Read all of them as of one moment."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            jobs = await connection.fetch(_JOBS)
            events = await connection.fetch(_EVENTS)
            attempts = await connection.fetch(_ATTEMPTS)
            counts = await connection.fetchrow(_COUNTS)
    finally:
        await connection.close()
    return Tables(
        jobs=[JobRow(**{**row, "status": JobStatus(row["status"])}) for row in jobs],
        events=[
            EventRow(**{**row, "type": EventType(row["type"]), "status": JobStatus(row["status"])}) for row in events
        ],
        attempts=[AttemptRow(**row) for row in attempts],
        counts={status: jobs or 0 for status, jobs in (counts or {}).items()},
    )
