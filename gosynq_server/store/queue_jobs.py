"""The jobs of one queue, deleted some at a time in one walk through a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId, Stage

if TYPE_CHECKING:
    from collections.abc import Collection

    from gosynq_server.domain.job import JobStatus
    from gosynq_server.store.database import Executor

BEFORE_ALL = JobId("00000000-0000-0000-0000-000000000000")
_LOOKED_AT = 50_000
"""How many jobs of all queues one statement walks past, at most: some tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """The jobs that a statement deleted, and the last one that it came to; None where it came to the end."""

    ids: list[JobId]
    last: JobId | None


async def purge(
    executor: Executor, queue: str, stage: Stage, *, statuses: Collection[JobStatus], after: JobId, limit: int
) -> Purged:
    """Delete up to limit jobs of a queue from a stage, behind an id, with all that belongs to them.

    statuses are those that count among finished jobs.
    """
    said = [list(statuses)] if stage is Stage.FINISHED else []
    (row,) = await executor.fetch(f"queues_purge_{stage}", queue, after, limit, _LOOKED_AT, *said)
    last = row["last_id"]
    return Purged(ids=[JobId(str(job)) for job in row["ids"]], last=None if last is None else JobId(str(last)))


async def has_active(executor: Executor, queue: str) -> bool:
    """Say whether a queue has jobs that are not finished."""
    return bool(await executor.fetch_value("queues_has_active", queue))
