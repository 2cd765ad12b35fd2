"""What the tables of a queue hold, and its time passed in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tests.service.house import Connection

_READ = """
SELECT
    job.id::text AS id, job.stage, job.status, job.kind, job.priority::integer AS priority, job.fairness_key,
    coalesce(job.concurrency_key, '') AS concurrency_key, coalesce(job.ordering_key, '') AS ordering_key,
    job.lease_seq, job.failures, job.deliveries,
    job.stage = 'running' AND job.cancel_requested_at IS NOT NULL AS cancel_requested,
    job.stage <> 'scheduled' OR job.run_at <= statement_timestamp() AS is_due, place.rank IS NOT NULL AS is_ranked
FROM gosynq.jobs AS job
LEFT JOIN (
    SELECT id, rank FROM gosynq.scheduled
    UNION ALL
    SELECT id, rank FROM gosynq.ready
) AS place ON job.id = place.id
ORDER BY place.rank, job.id
"""

_SHIFT = """
WITH scheduled AS (
    UPDATE gosynq.scheduled
    SET run_at = run_at - $1::interval, rank = rank - $1::interval, expires_at = expires_at - $1::interval
),
ready AS (
    UPDATE gosynq.ready
    SET
        run_at = run_at - $1::interval, rank = rank - $1::interval, expires_at = expires_at - $1::interval,
        ready_at = ready_at - $1::interval
),
running AS (
    UPDATE gosynq.running
    SET
        run_at = run_at - $1::interval, expires_at = expires_at - $1::interval, leased_at = leased_at - $1::interval,
        lease_expires_at = lease_expires_at - $1::interval
)
UPDATE gosynq.queue_turns SET next_lease_at = next_lease_at - $1::interval
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job as its tables have it; one that has left the scheduled ones is due."""

    id: str
    stage: str
    status: str
    kind: str
    priority: int
    fairness_key: str
    concurrency_key: str
    ordering_key: str
    lease_seq: int
    failures: int
    deliveries: int
    cancel_requested: bool
    is_due: bool
    is_ranked: bool


async def read(sql: Connection) -> list[JobRow]:
    """Return all jobs, those that wait and are due in the order of their ranks."""
    return [JobRow(**dict(row)) for row in await sql.fetch(_READ)]


async def shift(sql: Connection, passed: timedelta) -> None:
    """Pass time: everything that waits or is leased was so long ago."""
    await sql.execute(_SHIFT, passed)
