"""Judges how many leases to hold, by how fast jobs end compared with an exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_client.worker.options import RuntimeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """An exchange: readings of time.monotonic() around it, and how many attempts had ended before it."""

    ended: int
    started_at: float
    answered_at: float


def lease_limit(options: RuntimeOptions, trips: Sequence[Trip], *, ended: int, now: float) -> int:
    """Return how many leases to hold in all, by the last two trips and how many attempts have ended until now.

    Leases are held in excess of concurrency only while jobs are shorter than a round trip, because then slots would
    stand idle during exchanges: at least `concurrency` attempts have ended in two trips whose pauses were no longer
    than they. Two, because such jobs fall into two groups that take turns: those that end during one exchange are
    settled and replaced by the next. As many more are held as have ended.
    """
    if len(trips) < 2:  # noqa: PLR2004 -- the pair that the rule speaks of
        return options.concurrency
    earlier, last = trips[-2:]
    recent = ended - earlier.ended
    travelled = (earlier.answered_at - earlier.started_at) + (last.answered_at - last.started_at)
    if recent < options.concurrency or now - earlier.started_at > 2 * travelled:
        return options.concurrency
    return max(options.concurrency, min(options.concurrency + recent, options.prefetch_limit))
