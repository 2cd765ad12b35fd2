"""What a caller asks of a list of jobs, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from gosynq_server.domain.job import Attempt, Job, JobStatus, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which jobs, in what order, how many. Empty tuples and strings set no condition."""

    statuses: tuple[JobStatus, ...] = ()
    queues: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    filter: str = ""
    newest_first: bool = True
    page_size: int = 50
    page_token: str = ""
    with_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterQuery:
    """Which dead letters, the last to fail first. Empty tuples and strings, and None, set no condition."""

    queues: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    error_type: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    page_size: int = 50
    page_token: str = ""
    with_content: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """A page of jobs; an empty token ends the list."""

    jobs: tuple[Job, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPage:
    """A page of attempts, newest first; an empty token ends the list."""

    attempts: tuple[Attempt, ...]
    next_page_token: str
