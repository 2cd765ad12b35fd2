"""Settles results and takes new leases, both in one round trip, one at a time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final, assert_never

from gosynq_client.worker.leases import Refusal, RefusalReason, Result
from gosynq_client.worker.observing import facts
from gosynq_client.worker.outcomes import Failed
from gosynq_client.worker.pace import Trip, lease_limit
from gosynq_client.worker.source import SourceUnavailable
from gosynq_client.worker.verdicts import INVALID_RESULT, invalid_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_client.worker.heartbeater import Heartbeater
    from gosynq_client.worker.ledger import Ledger
    from gosynq_client.worker.options import RuntimeOptions
    from gosynq_client.worker.outcomes import Outcome
    from gosynq_client.worker.source import LeaseSource

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 0.1
MAX_RETRY_SECONDS: Final = 5.0
MAX_DOUBLINGS: Final = 6
# At a stop there is little time left.
MAX_STOPPING_RETRY_SECONDS: Final = 0.5


class Exchanger:
    """The worker's main loop: every exchange carries all results so far and asks for what there is room for.

    A result alone is settled at once. Results gather only while an exchange is in flight, and the slots go on working
    meanwhile.
    """

    def __init__(
        self,
        source: LeaseSource,
        ledger: Ledger,
        heartbeater: Heartbeater,
        options: RuntimeOptions,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._heartbeater = heartbeater
        self._options = options
        self._maybe_due = True
        self._idle = asyncio.Event()
        self._failures = 0
        self._trips: deque[Trip] = deque(maxlen=2)

    async def run(self) -> None:
        """Exchange until the ledger is stopping and all is settled."""
        ledger = self._ledger
        while not ledger.drained:
            ledger.changed.clear()
            wanted = self._wanted()
            if ledger.unsettled or (wanted and self._maybe_due):
                await self._exchange(wanted)
                continue
            if wanted:
                self._idle.set()
            await ledger.changed.wait()
        if self._failures:
            await self._leave()

    async def watch(self) -> None:
        """Wait for due jobs on behalf of `run` while it is idle, until cancelled."""
        while True:
            await self._idle.wait()
            try:
                await self._source.wait(self._options.poll_interval)
            except SourceUnavailable:
                await asyncio.sleep(self._options.poll_interval.total_seconds())
            self._idle.clear()
            self._maybe_due = True
            self._ledger.changed.set()

    async def _leave(self) -> None:
        # The exchange that failed may have leased jobs: here the source can give them back.
        try:
            await self._source.exchange((), 0)
        except SourceUnavailable:
            logger.warning("source unavailable at the end, what it may have leased last will run out")

    def _wanted(self) -> int:
        if self._ledger.stopping.is_set():
            return 0
        limit = lease_limit(self._options, tuple(self._trips), ended=self._ledger.ended, now=monotonic())
        return max(0, limit - self._ledger.taken)

    async def _exchange(self, wanted: int) -> None:
        ledger, results, started_at = self._ledger, self._ledger.offer(), monotonic()
        if wanted:
            self._maybe_due = False  # before the call: a wake-up during it must not be lost
        ended = ledger.ended
        try:
            answer = await self._source.exchange(results, wanted)
        except SourceUnavailable:
            self._maybe_due = True
            await self._back_off()
            return
        self._failures = 0
        self._trips.append(Trip(ended=ended, started_at=started_at, answered_at=monotonic()))
        ledger.settled(answer, instead=_instead(answer.refusals, results))
        for refusal in answer.refusals:
            _tell(refusal)
        if answer.leases:
            self._maybe_due = self._maybe_due or len(answer.leases) >= wanted
            self._heartbeater.expect(answer.leases)
            ledger.hold(answer.leases, started_at if answer.granted_at is None else answer.granted_at)

    async def _back_off(self) -> None:
        delay = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**self._failures)
        delay *= random.uniform(0.5, 1)  # noqa: S311 -- spreads load, hides nothing
        self._failures = min(self._failures + 1, MAX_DOUBLINGS)
        logger.warning(
            "source unavailable, results kept",
            extra={"results": self._ledger.unsettled, "retry_in_seconds": delay},
        )
        stopping = self._ledger.stopping
        if stopping.is_set():
            await asyncio.sleep(min(delay, MAX_STOPPING_RETRY_SECONDS))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await stopping.wait()


def _tell(refusal: Refusal) -> None:
    extra = {**facts(refusal.lease), "reason": refusal.message}
    match refusal.reason:
        case RefusalReason.ALREADY_APPLIED:
            logger.debug("result was applied before", extra=extra)
        case RefusalReason.LEASE_LOST:
            logger.warning("result refused, lease lost", extra=extra)
        case RefusalReason.INVALID:
            logger.warning("result refused, not well formed", extra=extra)
        case _:
            assert_never(refusal.reason)


def _instead(refusals: Sequence[Refusal], results: Sequence[Result]) -> list[Result]:
    """Fail jobs in place of results that cannot be recorded: their leases go on, and would run out and repeat.

    If that is refused too there is nothing left to say.
    """
    invalid = {refusal.lease.job_id: refusal.message for refusal in refusals if refusal.reason is RefusalReason.INVALID}
    return [
        Result(lease=result.lease, outcome=invalid_result(invalid[result.lease.job_id]))
        for result in results
        if result.lease.job_id in invalid and not _is_last_word(result.outcome)
    ]


def _is_last_word(outcome: Outcome) -> bool:
    return isinstance(outcome, Failed) and outcome.error.type == INVALID_RESULT
