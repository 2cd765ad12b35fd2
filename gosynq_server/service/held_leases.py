"""The leases that one worker holds, as far as this server knows."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from gosynq_server.service.leases import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gosynq_server.domain.lease_names import LeaseName
    from gosynq_server.store.leases import LeaseKey

_MARGIN_SECONDS = 1.0
_DUE_PART = 2 / 3


class _Held(NamedTuple):
    lease: LeaseName
    since: float
    due_at: float
    lapses_at: float


class HeldLeases:
    """Counts open leases: from their grant to their end, or until they have surely run out.

    is_overdue: nothing was heard of the worker for most of some lease, which it is to extend by thirds, nor since.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: dict[LeaseKey, _Held] = {}
        self._by_job: dict[str, LeaseKey] = {}
        self._by_queue: Counter[str] = Counter()
        self._heard_at = now()
        self.is_overdue = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def silence(self) -> timedelta:
        """For how long the worker was not heard of, if it is overdue; otherwise none."""
        return timedelta(seconds=self._now() - self._heard_at if self.is_overdue else 0)

    def of_queue(self, queue: str) -> int:
        """Return how many are of one queue."""
        return self._by_queue[queue]

    def heard(self) -> None:
        """Note that the worker said something."""
        self._heard_at = self._now()
        self.is_overdue = False

    def hold(self, lease: LeaseName, valid_for: timedelta) -> None:
        """Take a lease in, or another end of one that is held."""
        key = key_of(lease)
        if key not in self._held:
            self._by_queue[lease.queue] += 1
        self._by_job[lease.job_id] = key
        now, length = self._now(), valid_for.total_seconds()
        self._held[key] = _Held(lease, now, now + length * _DUE_PART, now + length + _MARGIN_SECONDS)

    def drop(self, key: LeaseKey) -> None:
        """Forget a lease, if it is held."""
        held = self._held.pop(key, None)
        if held is not None:
            self._by_queue[held.lease.queue] -= 1
            if self._by_job.get(key[0]) == key:
                del self._by_job[key[0]]

    def review(self) -> None:
        """Forget the leases that have run out, and note whether the worker is overdue."""
        now = self._now()
        if any(held.due_at < now and held.since >= self._heard_at for held in self._held.values()):
            self.is_overdue = True
        for key in [key for key, held in self._held.items() if held.lapses_at < now]:
            self.drop(key)

    def of_job(self, job_id: str) -> LeaseName | None:
        """Return the lease of a job, if one is held."""
        key = self._by_job.get(job_id)
        return None if key is None else self._held[key].lease
