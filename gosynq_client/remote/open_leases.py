"""The leases that a worker holds, and those of them that its runtime has not taken yet. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_client.worker.leases import Lease


class OpenLeases:
    """A lease is open from its coming until its result is settled or its loss is known; a job has one at most."""

    def __init__(self) -> None:
        self._open: dict[str, Lease] = {}
        self._waiting: dict[str, Lease] = {}
        self._doubtful: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._open)

    def all(self) -> list[Lease]:
        """Return all that are open."""
        return list(self._open.values())

    @property
    def waiting(self) -> list[Lease]:
        """Those that were not taken yet, the first to come first."""
        return list(self._waiting.values())

    @property
    def doubtful(self) -> list[Lease]:
        """Those that wait and may have run out before they came."""
        return list(self._doubtful.values())

    def holds(self, lease: Lease) -> bool:
        """Whether this very lease is open."""
        known = self._open.get(lease.job_id)
        return known is not None and known.lease_token == lease.lease_token

    def come(self, lease: Lease, *, doubtful: bool = False) -> None:
        """Take a lease in; an older one of its job must be lost, and gives way."""
        if self.holds(lease):
            return
        self._drop(lease.job_id)
        self._open[lease.job_id] = self._waiting[lease.job_id] = lease
        if doubtful:
            self._doubtful[lease.job_id] = lease

    def trust(self, leases: Iterable[Lease]) -> None:
        """Doubt leases no more."""
        for lease in leases:
            self._doubtful.pop(lease.job_id, None)

    def take(self) -> list[Lease]:
        """Hand out those that wait and are not doubtful; they stay open."""
        leases = [lease for lease in self._waiting.values() if lease.job_id not in self._doubtful]
        for lease in leases:
            del self._waiting[lease.job_id]
        return leases

    def forget(self, leases: Iterable[Lease]) -> None:
        """Drop leases, as far as it is they that are open."""
        for lease in leases:
            if self.holds(lease):
                self._drop(lease.job_id)

    def _drop(self, job_id: str) -> None:
        for leases in (self._open, self._waiting, self._doubtful):
            leases.pop(job_id, None)
