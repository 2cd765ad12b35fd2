"""Judges how many leases to hold, by how fast jobs end compared with an exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosynq_client.worker.options import RuntimeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The last exchange: when it began and was answered (monotonic seconds), and how many attempts had ended before."""

    ended: int = 0
    started_at: float = 0.0
    answered_at: float = 0.0

    def lease_limit(self, options: RuntimeOptions, *, ended: int, now: float) -> int:
        """Return how many leases to hold in all; ended is how many attempts have ended until now.

        Leases are only held in excess of concurrency while at least `concurrency` attempts end within an exchange and
        a pause after it that is no longer (jobs much shorter than a round trip all end in that pause, waiting for the
        next exchange): then the slots would stand idle during exchanges.
        """
        ended_since = ended - self.ended
        pause = now - self.answered_at
        if ended_since < options.concurrency or pause > self.answered_at - self.started_at:
            return options.concurrency
        return max(options.concurrency, min(options.concurrency + 2 * ended_since, options.prefetch_limit))
