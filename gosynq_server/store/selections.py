"""Which jobs a bulk call means: read from the database in the order of their ids, some at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.bulk import Selected
from gosynq_server.domain.job import JobStatus, Stage
from gosynq_server.store.jobs import job_id

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gosynq_server.domain.filters import Predicate
    from gosynq_server.domain.job import JobId
    from gosynq_server.store.database import Executor
    from gosynq_server.store.records import Row

_BAD_ENDS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look found: the selected jobs, and the last one that was looked at, None being that there was none.

    is_last: there are no jobs behind those.
    """

    selected: Sequence[Selected]
    last: JobId | None
    is_last: bool


async def look(
    executor: Executor, predicate: Predicate, statuses: Collection[JobStatus], *, after: JobId | None, limit: int
) -> Look:
    """Look at jobs in some statuses, up to limit of them behind an id, and return those of which a predicate holds."""
    name = "jobs_select_ended_badly" if _BAD_ENDS.issuperset(statuses) else "jobs_select"
    wanted = None if len(statuses) == len(JobStatus) else list(statuses)
    rows = await executor.fetch(name, wanted, predicate.path, predicate.asks_about_errors, after, limit)
    return Look(
        selected=[_selected(row) for row in rows if row["is_selected"]],
        last=job_id(rows[-1]) if rows else None,
        is_last=not rows or rows[0]["seen_count"] < limit,
    )


async def find(executor: Executor, jobs: Collection[JobId]) -> list[Selected]:
    """Say where jobs are, in the order of their ids; those that are gone are left out."""
    return [_selected(row) for row in await executor.fetch("jobs_select_named", list(jobs))]


def _selected(row: Row) -> Selected:
    return Selected(
        id=job_id(row),
        queue=row["queue"],
        stage=Stage(row["stage"]),
        status=JobStatus(row["status"]),
        cancel_requested=row["cancel_requested"],
    )
