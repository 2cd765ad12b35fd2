"""Dead letters in the database, in the order in which they became such."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from gosynq_server.domain.job import JobId
from gosynq_server.store.jobs import job_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.domain.listing import DeadLetterQuery
    from gosynq_server.store.database import Executor

Place: TypeAlias = tuple[datetime, JobId]
"""When a job failed for good, and which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One of them, and where it stands."""

    id: JobId
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found, and the last one that was looked at; is_last: there are none behind it."""

    letters: Sequence[DeadLetter]
    last: Place | None
    is_last: bool


async def look(executor: Executor, query: DeadLetterQuery, *, after: Place | None, limit: int) -> Look:
    """Look at up to limit dead letters behind a place, the newest first, and return those that are asked for."""
    conditions = (
        list(query.kinds) or None,
        query.error_type or None,
        query.start_at,
        query.end_at,
        *(after or (None, None)),
        limit,
    )
    if query.queues:
        rows = await executor.fetch("dead_letters_list_of_queues", sorted(set(query.queues)), *conditions)
    else:
        rows = await executor.fetch("dead_letters_list", *conditions)
    places = [DeadLetter(id=job_id(row), place=(row["finished_at"], job_id(row))) for row in rows]
    return Look(
        letters=[letter for letter, row in zip(places, rows, strict=True) if row["is_wanted"]],
        last=places[-1].place if places else None,
        is_last=not rows or rows[0]["seen_count"] < limit,
    )
