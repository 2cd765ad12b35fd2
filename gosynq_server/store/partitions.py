"""The day partitions of what has ended: made ahead, dropped whole."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from datetime import date

    from gosynq_server.store.database import Executor


class Partitioned(StrEnum):
    """A table with a partition for each day."""

    FINISHED = "finished"
    EVENTS = "events"


_PAGES_AT_ONCE = 20_000
_KEYS = {Partitioned.FINISHED: "prune_on", Partitioned.EVENTS: "day"}


async def make(executor: Executor, table: Partitioned, day: date) -> None:
    """Make the partition of one day where there is none."""
    await executor.fetch("partitions_make", table, _KEYS[table], day)


async def drop(executor: Executor, table: Partitioned, day: date) -> None:
    """Drop the partition of one day with all that is in it, which counts no jobs off: finished ones are detached."""
    await executor.fetch("partitions_drop", table, day)


async def detach(executor: Executor, day: date) -> None:
    """Take the finished jobs of one day out of their table, to be counted and dropped."""
    await executor.fetch("partitions_detach", day)


async def detached(executor: Executor) -> list[str]:
    """Name the tables that were taken out."""
    return [row["name"] for row in await executor.fetch("partitions_detached")]


async def drop_detached(executor: Executor, name: str) -> None:
    """Count the jobs of a table that was taken out, page by page since it may be large, and drop it with its jobs.

    Nothing changes in it any more, so that the pages can be counted one after the other.
    """
    jobs: Counter[tuple[str, str]] = Counter()
    pages = int(await executor.fetch_value("partitions_pages", name) or 0)
    for first in range(0, pages, _PAGES_AT_ONCE):
        for row in await executor.fetch("partitions_count", name, first, _PAGES_AT_ONCE):
            jobs[row["queue"], row["status"]] += row["jobs"]
    queues, statuses = [queue for queue, _ in jobs], [status for _, status in jobs]
    await executor.fetch("partitions_drop_counted", name, queues, statuses, list(jobs.values()))


async def days(executor: Executor, table: Partitioned) -> list[date]:
    """Name the days that have a partition, the earliest first."""
    return [row["day"] for row in await executor.fetch("partitions_list", table)]


async def prune_jobs_with_history(executor: Executor, *, before: date, after: JobId, limit: int) -> JobId | None:
    """Delete up to limit finished jobs that have attempts or large payloads, with these, in the order of their ids.

    Looks behind the id after; returns the last id that it came to, or None where there are no more.
    """
    last = await executor.fetch_value("jobs_prune_with_history", before, after, limit)
    return None if last is None else JobId(str(last))


async def prune_jobs_without_day(executor: Executor, *, before: date, limit: int) -> int:
    """Delete finished jobs whose day has no partition of its own; return how many."""
    return len(await executor.fetch("jobs_prune_other", before, limit))


async def prune_events_without_day(executor: Executor, *, before: date) -> None:
    """Delete events whose day has no partition of its own."""
    await executor.fetch("events_prune_other", before)
