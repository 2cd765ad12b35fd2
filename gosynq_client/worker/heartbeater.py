"""Keeps leases alive, and hears of those that are lost or to be cancelled."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Final

from gosynq_client.worker.attempt import Interruption
from gosynq_client.worker.leases import LeaseState
from gosynq_client.worker.source import SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_client.worker.leases import Extension, Lease
    from gosynq_client.worker.ledger import Ledger
    from gosynq_client.worker.source import LeaseSource

logger = logging.getLogger(__name__)

MAX_INTERVAL: Final = timedelta(seconds=10)
BEATS_PER_LEASE: Final = 3
# An unanswered beat is repeated so much faster, to have several tries before the leases run out.
HASTE: Final = 4
MAX_LAG_SECONDS: Final = 1.0
# What is ahead of a lease that waits longer for a slot takes longer than was foreseen when it was taken in advance;
# another worker may be free.
MAX_WAIT_SECONDS: Final = 15.0


class Heartbeater:
    """Extends all leases in the ledger in one call, three times in the shortest of their durations."""

    def __init__(self, source: LeaseSource, ledger: Ledger) -> None:
        self._source = source
        self._ledger = ledger
        self._due = inf
        self._sooner = asyncio.Event()

    def expect(self, leases: Iterable[Lease]) -> None:
        """Take new leases into account, so that a short one is not late."""
        due = asyncio.get_running_loop().time() + _interval(leases)
        if due < self._due:
            self._due = due
            self._sooner.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._sooner.clear()
            idle_since = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(None if self._due == inf else self._due):
                    await self._sooner.wait()
            except TimeoutError:
                # A beat that fell due while the one before it was unanswered is late by no fault of the event loop.
                _tell_of_lag(since=max(self._due, idle_since))
                await self._beat()

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        self._due = inf
        self._ledger.give_back(received_before=monotonic() - MAX_WAIT_SECONDS)
        leases = self._ledger.leases()
        if not leases:
            return
        interval, asked_at = _interval(leases), monotonic()
        try:
            extensions = await self._source.extend(leases)
        except SourceUnavailable:
            logger.warning("leases not extended, source unavailable", extra={"leases": len(leases)})
            interval /= HASTE
        else:
            for extension in extensions:
                self._apply(extension, asked_at)
        self._due = min(self._due, now + interval)

    def _apply(self, extension: Extension, asked_at: float) -> None:
        attempt = self._ledger.held.get(extension.lease.job_id)
        # An attempt that has ended meanwhile is left alone: its result will tell.
        if attempt is None or attempt.lease.lease_seq != extension.lease.lease_seq:
            return
        if extension.state is LeaseState.LOST:
            self._ledger.interrupt(attempt, Interruption.LEASE_LOST)
            return
        attempt.hold_from(asked_at)
        if extension.cancel_requested:
            self._ledger.cancel(attempt, extension.cancel_reason)


def _tell_of_lag(*, since: float) -> None:
    lag = asyncio.get_running_loop().time() - since
    if lag > MAX_LAG_SECONDS:
        logger.warning("event loop was held up, leases are at risk", extra={"lag_seconds": lag})


def _interval(leases: Iterable[Lease]) -> float:
    shortest = min(lease.lease_duration for lease in leases)
    return min(shortest / BEATS_PER_LEASE, MAX_INTERVAL).total_seconds()
