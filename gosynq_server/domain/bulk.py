"""Many jobs at once: which, how many, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosynq_server.domain.job import JobId, JobStatus, Stage

SAMPLE_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkQuery:
    """Which jobs are meant, by their ids or, where there are none, by a filter; at most limit of them."""

    job_ids: tuple[JobId, ...] = ()
    filter: str = ""
    validate_only: bool = False
    limit: int = 1000
    page_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkSummary:
    """What a bulk call did, or would do; an empty token says that there are no more jobs behind those."""

    affected: int
    skipped: int
    sample: tuple[JobId, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A job that is meant: where it is."""

    id: JobId
    queue: str
    stage: Stage
    status: JobStatus
    cancel_requested: bool
