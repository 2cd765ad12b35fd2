"""How long things last in an examination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

BEATS_PER_LEASE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """lease: how long one lasts. patience: for what is to be done at once. start: for a worker's start to its hello."""

    lease: timedelta = timedelta(seconds=3)
    patience: timedelta = timedelta(seconds=5)
    start: timedelta = timedelta(seconds=30)

    @property
    def interval(self) -> timedelta:
        """How often a heartbeat is due."""
        return self.lease / BEATS_PER_LEASE

    @property
    def case(self) -> timedelta:
        """How long a case may take at most, whatever it waits for."""
        return self.start + 12 * self.patience + 6 * self.lease
