"""The leases that a worker holds, and those of them that its runtime has not taken yet. No I/O."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_client.worker.leases import Lease


class OpenLeases:
    """A lease is open from its coming until its result is settled or its loss is known; a job has one at most.

    Of each there is a moment from which on it has its duration, by time.monotonic(). One that is older than that is
    doubtful, and not handed out; so is one that came late, of which nothing is known.
    """

    def __init__(self) -> None:
        self._open: dict[str, Lease] = {}
        self._waiting: dict[str, Lease] = {}
        self._granted_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._open)

    def all(self) -> list[Lease]:
        """Return all that are open."""
        return list(self._open.values())

    @property
    def waiting(self) -> list[Lease]:
        """Those that were not taken yet, the first to come first."""
        return list(self._waiting.values())

    def doubtful(self, now: float) -> list[Lease]:
        """Those that wait and may have run out."""
        return [lease for lease in self._waiting.values() if self._is_doubtful(lease, now)]

    def granted_at(self, leases: Iterable[Lease]) -> float | None:
        """Return the moment from which on each of these has its duration, none for none."""
        return min((self._granted_at[lease.job_id] for lease in leases), default=None)

    def came_late(self, lease: Lease) -> bool:
        """Whether nothing is known yet of an open lease that came late."""
        return self.holds(lease) and self._granted_at[lease.job_id] == -inf

    def holds(self, lease: Lease) -> bool:
        """Whether this very lease is open."""
        known = self._open.get(lease.job_id)
        return known is not None and known.lease_token == lease.lease_token

    def come(self, lease: Lease, granted_at: float) -> None:
        """Take a lease in, granted at -inf if late; an older one of its job must be lost, and gives way."""
        if self.holds(lease):
            return
        self._drop(lease.job_id)
        self._open[lease.job_id] = self._waiting[lease.job_id] = lease
        self._granted_at[lease.job_id] = granted_at

    def trust(self, leases: Iterable[Lease], granted_at: float) -> None:
        """Know that leases have their duration from a moment on."""
        for lease in filter(self.holds, leases):
            self._granted_at[lease.job_id] = granted_at

    def take(self, now: float) -> list[Lease]:
        """Hand out those that wait and are not doubtful; they stay open."""
        leases = [lease for lease in self._waiting.values() if not self._is_doubtful(lease, now)]
        for lease in leases:
            del self._waiting[lease.job_id]
        return leases

    def forget(self, leases: Iterable[Lease]) -> None:
        """Drop leases, as far as it is they that are open."""
        for lease in leases:
            if self.holds(lease):
                self._drop(lease.job_id)

    def _drop(self, job_id: str) -> None:
        self._open.pop(job_id, None)
        self._waiting.pop(job_id, None)
        self._granted_at.pop(job_id, None)

    def _is_doubtful(self, lease: Lease, now: float) -> bool:
        return now >= self._granted_at[lease.job_id] + lease.lease_duration.total_seconds()
