"""The leases that one worker holds, as far as this server knows."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from gosynq_server.service.leases import key_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from gosynq_server.domain.lease_names import LeaseName
    from gosynq_server.store.leases import LeaseKey

_MARGIN_SECONDS = 1.0


class _Held(NamedTuple):
    lease: LeaseName
    lapses_at: float


class HeldLeases:
    """Counts open leases: from their grant to their end, or until they have surely run out."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: dict[LeaseKey, _Held] = {}
        self._by_job: dict[str, LeaseKey] = {}
        self._by_queue: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._held)

    def of_queue(self, queue: str) -> int:
        """Return how many are of one queue."""
        return self._by_queue[queue]

    def hold(self, lease: LeaseName, valid_for: timedelta) -> None:
        """Take a lease in, or another end of one that is held."""
        key = key_of(lease)
        if key not in self._held:
            self._by_queue[lease.queue] += 1
        self._by_job[lease.job_id] = key
        self._held[key] = _Held(lease, self._now() + valid_for.total_seconds() + _MARGIN_SECONDS)

    def drop(self, key: LeaseKey) -> None:
        """Forget a lease, if it is held."""
        held = self._held.pop(key, None)
        if held is not None:
            self._by_queue[held.lease.queue] -= 1
            if self._by_job.get(key[0]) == key:
                del self._by_job[key[0]]

    def drop_lapsed(self) -> None:
        """Forget the leases that have run out."""
        now = self._now()
        for key in [key for key, held in self._held.items() if held.lapses_at < now]:
            self.drop(key)

    def of_job(self, job_id: str) -> LeaseName | None:
        """Return the lease of a job, if one is held."""
        key = self._by_job.get(job_id)
        return None if key is None else self._held[key].lease
