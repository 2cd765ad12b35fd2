"""Queues in the database: made, read, and asked which of them have something to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.store.records import queue_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_server.domain.queue import Queue, QueueDefaults
    from gosynq_server.store.database import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """A queue's ready jobs: how many, counted up to a bound, and how long the oldest has waited, None being none."""

    name: str
    ready_count: int
    oldest_age: timedelta | None


async def make(executor: Executor, name: str) -> None:
    """Make a queue where there is none of that name."""
    await executor.fetch("queues_make", name)


async def get(executor: Executor, name: str, *, defaults: QueueDefaults) -> Queue | None:
    """Read a queue, the server's defaults filled in, or None where there is none of that name."""
    rows = await executor.fetch("queues_get", name)
    return queue_of(rows[0], defaults) if rows else None


async def with_ready_jobs(executor: Executor, among: Sequence[str] | None) -> list[str]:
    """Name the queues that have ready jobs and hand them out; among None means all queues."""
    return [row["name"] for row in await executor.fetch("queues_ready", among)]


async def with_held_jobs(executor: Executor) -> list[str]:
    """Name the queues in which jobs may wait for a place of their concurrency or ordering key."""
    return [row["name"] for row in await executor.fetch("queues_held")]


async def take_room(executor: Executor, name: str, wanted: int) -> int:
    """Take room for new jobs, as far as the queue's max_pending allows; return for how many. Held until commit."""
    return int((await executor.fetch("queues_take_room", name, wanted))[0]["granted"])


async def due_in(executor: Executor) -> dict[str, timedelta]:
    """Say for each queue with scheduled jobs how long it is until the first is due; negative where it is."""
    return {row["name"]: row["due_in"] for row in await executor.fetch("queues_due")}


async def sample(executor: Executor, *, bound: int) -> list[QueueSample]:
    """Sample every queue's ready jobs, counting up to a bound."""
    rows = await executor.fetch("queues_sample", bound)
    return [QueueSample(name=row["name"], ready_count=row["ready_count"], oldest_age=row["oldest_age"]) for row in rows]
