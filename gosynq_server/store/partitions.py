"""The day partitions of what has ended: made ahead, dropped whole."""

from __future__ import annotations

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


_KEYS = {Partitioned.FINISHED: "prune_on", Partitioned.EVENTS: "day"}


async def make(executor: Executor, table: Partitioned, day: date) -> None:
    """Make the partition of one day where there is none."""
    await executor.fetch("partitions_make", table, _KEYS[table], day)


async def drop(executor: Executor, table: Partitioned, day: date) -> None:
    """Drop the partition of one day with all that is in it."""
    await executor.fetch("partitions_drop", table, day)


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
