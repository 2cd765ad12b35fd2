"""Judges whether a lease came so late that it may have run out on its way, or while this process was paused."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from gosynq_client.worker.leases import Lease


class Lateness:
    """Compares how long leases took, by two clocks that may differ: the least that one ever took is their difference.

    Until more is known the clocks are taken to agree. A wrong doubt costs one heartbeat, and is corrected by it.
    """

    def __init__(self) -> None:
        self._skew = timedelta()

    def is_doubtful(self, lease: Lease, now: datetime) -> bool:
        """Say whether half of a lease that has come now, by this machine's clock, may be over."""
        took = now - lease.leased_at
        self._skew = min(self._skew, took)
        return took - self._skew > lease.lease_duration / 2

    def correct(self, lease: Lease, now: datetime) -> None:
        """Learn that a lease holds which came then, and was doubted."""
        self._skew = max(self._skew, now - lease.leased_at - lease.lease_duration / 2)
