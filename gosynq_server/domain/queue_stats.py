"""What is in a queue, in numbers, and how its pending jobs are split where not all of them can be counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

SPLIT_BOUND = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """What is in a queue. Rates are per second, over the last minute; oldest_ready_age is None where nothing is due."""

    ready: int = 0
    scheduled: int = 0
    processing: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    oldest_ready_age: timedelta | None = None
    workers: int = 0
    enqueued_per_second: float = 0.0
    completed_per_second: float = 0.0
    failed_per_second: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTotals:
    """How many jobs of each status a queue has, by the words of JobStatus."""

    queue: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSeen:
    """What was seen of a queue's pending jobs, each side counted up to SPLIT_BOUND and one more.

    due is None where there are more than that. not_due_before is how many were not due when all were counted last.
    """

    not_due: int
    due: int | None
    not_due_before: int | None


def split(pending: int, seen: SplitSeen) -> tuple[int, int]:
    """Return how many of the pending jobs are due and how many are not: exactly, where either side could be counted."""
    pending = max(pending, 0)
    if seen.not_due <= SPLIT_BOUND:
        not_due = seen.not_due
    elif seen.due is not None:
        not_due = pending - seen.due
    else:
        known = seen.not_due if seen.not_due_before is None else seen.not_due_before
        not_due = max(SPLIT_BOUND, min(known, pending - SPLIT_BOUND))
    not_due = max(0, min(not_due, pending))
    return pending - not_due, not_due
