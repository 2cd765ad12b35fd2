"""How many jobs there are, by queue and status: what the events add up to, never a table counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.queue_stats import SPLIT_BOUND, QueueStats, QueueTotals, SplitSeen, split
from gosynq_server.store import statements
from gosynq_server.store.connection import open_connection

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from asyncpg import Record

    from gosynq_server.store.database import Database, Executor

_NEXT_JOBS = 1000


async def add(executor: Executor, *, min_age: timedelta) -> bool:
    """Count the events since the last time, if that is min_age ago; say whether there are counts at all."""
    return bool(await executor.fetch_value("queue_counts_add", min_age))


async def begin(database: Database) -> None:
    """Count all jobs where there are no counts, however long it takes; raises DatabaseUnavailable."""
    async with open_connection(database.dsn) as connection:
        await connection.execute(statements.load("queue_counts_begin"))


async def totals(executor: Executor, names: Sequence[str] | None = None) -> list[QueueTotals] | None:
    """Read how many jobs of each status some queues have, None being all, as of one moment.

    None where they are not counted yet.
    """
    rows = await executor.fetch("queue_counts_totals", names)
    return [_totals_of(row) for row in rows if row["queue"] is not None] if rows else None


async def read(executor: Executor, names: Sequence[str]) -> dict[str, QueueStats]:
    """Read what is in some queues, as of one moment; nothing where it is not counted yet."""
    rows = await executor.fetch("queue_counts_read", names, SPLIT_BOUND + 1, _NEXT_JOBS)
    return {row["name"]: _stats_of(row) for row in rows}


async def prune(executor: Executor) -> None:
    """Forget the counts of queues that are gone."""
    await executor.fetch("queue_counts_prune")


async def count_split(executor: Executor, *, min_age: timedelta) -> bool:
    """Count the jobs that are not due of one queue, if there is one of which that is not known well; say whether."""
    queue = await executor.fetch_value("queue_splits_claim", SPLIT_BOUND + 1, min_age)
    if queue is not None:
        await executor.fetch("queue_splits_count", queue)
    return queue is not None


def _totals_of(row: Record) -> QueueTotals:
    return QueueTotals(queue=row["queue"], counts={status: row[status] for status in JobStatus})


def _stats_of(row: Record) -> QueueStats:
    seen = SplitSeen(not_due=row["not_due"], due=row["due"], not_due_before=row["not_due_before"])
    ready, scheduled = split(row["pending"], seen)
    return QueueStats(
        ready=ready,
        scheduled=scheduled,
        processing=row["processing"],
        completed=row["completed"],
        failed=row["failed"],
        cancelled=row["cancelled"],
        oldest_ready_age=row["oldest_age"],
        workers=row["worker_count"],
        enqueued_per_second=float(row["enqueued_rate"]),
        completed_per_second=float(row["completed_rate"]),
        failed_per_second=float(row["failed_rate"]),
    )
