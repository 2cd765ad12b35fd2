"""What the worker holds: attempts, and results that are not settled yet. No I/O; used from the event loop only."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from gosynq_client.worker.attempt import Attempt, AttemptState, Interruption
from gosynq_client.worker.leases import Result
from gosynq_client.worker.observing import Observer, facts
from gosynq_client.worker.outcomes import Released

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gosynq_client.worker.leases import Exchange, Lease
    from gosynq_client.worker.observing import AttemptEnded
    from gosynq_client.worker.outcomes import Outcome

logger = logging.getLogger(__name__)


class Ledger:
    """Every lease is in it from its arrival until its result is settled or its loss is known.

    held: attempts that have not ended, by job. active: handlers at work. abandoned: those of them whose attempt has
    ended. ended: attempts that were started and have ended, so far. changed is set whenever there may be something to
    settle or a place to fill. stopping, once set: no more leases. closed: the worker is at its end, and a slot that is
    cancelled has to go.
    """

    def __init__(self, observe: Callable[[AttemptEnded], None] | None = None) -> None:
        self.held: dict[str, Attempt] = {}
        self.active = 0
        self.abandoned = 0
        self.ended = 0
        self.stopping = asyncio.Event()
        self.closed = False
        self.changed = asyncio.Event()
        self._observer = Observer(observe) if observe is not None else None
        self._buffer: deque[Attempt] = deque()
        self._results: list[Result] = []
        self._offered: Sequence[Result] = ()
        self._idle: list[asyncio.Future[None]] = []
        self._waking = False

    @property
    def taken(self) -> int:
        """Places that are not free: attempts held, and slots whose handler goes on after its attempt's end."""
        return len(self.held) + self.abandoned

    @property
    def unsettled(self) -> int:
        """Results that the source has not taken yet."""
        return len(self._results) + len(self._offered)

    @property
    def drained(self) -> bool:
        """Whether there is nothing left to do before the end."""
        return self.stopping.is_set() and not self.held and not self.unsettled

    def leases(self) -> list[Lease]:
        """Return all leases to be kept alive: those with unsettled results too."""
        unsettled = (*self._offered, *self._results)
        return [*(attempt.lease for attempt in self.held.values()), *(result.lease for result in unsettled)]

    def in_state(self, state: AttemptState) -> list[Attempt]:
        """Return the held attempts in a state."""
        return [attempt for attempt in self.held.values() if attempt.state is state]

    # From the source to the slots.

    def hold(self, leases: Iterable[Lease], granted_at: float | None = None) -> None:
        """Take leases in; when the worker is stopping they are given back at once.

        granted_at is a reading of time.monotonic() from which on each has its duration: now, if not said.
        """
        now = monotonic()
        if granted_at is None:
            granted_at = now
        for lease in leases:
            known = self.held.get(lease.job_id)
            if known is not None:
                if known.lease.lease_seq == lease.lease_seq:
                    continue
                # The job could only be leased anew because its old lease was lost.
                self.interrupt(known, Interruption.LEASE_LOST)
            attempt = self.held[lease.job_id] = Attempt(lease, now, granted_at)
            self._buffer.append(attempt)
        if self.stopping.is_set():
            self.give_back()
        self._wake_slot()

    def take(self, now: float) -> Attempt | None:
        """Take the next attempt to run at that reading of time.monotonic(), None if there is none.

        One whose lease may have run out, because nothing extended it or this process was paused, is given back.
        """
        while self._buffer:
            attempt = self._buffer.popleft()
            if attempt.state is not AttemptState.BUFFERED:
                continue
            if now < attempt.holds_until:
                self._wake_slot()
                return attempt
            logger.warning("lease may have run out, attempt not begun", extra=facts(attempt.lease))
            self.end(attempt, Released())
        return None

    async def arrival(self) -> None:
        """Wait until there may be an attempt to take."""
        waiter = asyncio.get_running_loop().create_future()
        self._idle.append(waiter)
        try:
            await waiter
        finally:
            self._waking = False
            if waiter in self._idle:
                self._idle.remove(waiter)

    def _wake_slot(self) -> None:
        # One at a time, and the woken one wakes the next by `take`: where jobs are shorter than a turn of the event
        # loop the first slot runs them all, and waking the others would be in vain.
        if self._buffer and self._idle and not self._waking:
            self._waking = True
            self._idle.pop().set_result(None)

    # Attempts end.

    def end(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """End an attempt with its outcome, or with None if its lease is lost."""
        started = attempt.state is AttemptState.RUNNING
        attempt.state = AttemptState.ENDED
        del self.held[attempt.lease.job_id]
        self.ended += started
        if outcome is not None:
            self._results.append(Result(lease=attempt.lease, outcome=outcome))
        self.changed.set()
        if started and self._observer is not None:
            self._observer.ended(attempt, outcome)

    def abandon(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """End a running attempt while its handler goes on, which keeps its slot until it vacates it."""
        self.abandoned += 1
        self.end(attempt, outcome)

    def vacate(self) -> None:
        """Give back the slot of an abandoned attempt."""
        self.abandoned -= 1
        self.changed.set()

    def interrupt(self, attempt: Attempt, cause: Interruption) -> None:
        """Break an attempt off, unless it has ended, or was broken off for this reason or a weightier one."""
        if attempt.state is AttemptState.ENDED or cause <= attempt.interruption:
            return
        attempt.interruption = cause
        lost = cause is Interruption.LEASE_LOST
        if lost:
            logger.warning("lease lost, attempt dropped", extra=facts(attempt.lease))
        if attempt.state is AttemptState.BUFFERED:
            self.end(attempt, None if lost else attempt.broken_off())
            return
        if lost:
            self.abandon(attempt, None)
        attempt.disturb()

    def cancel(self, attempt: Attempt, reason: str) -> None:
        """Break an attempt off because a cancel was asked for."""
        attempt.cancel_reason = attempt.cancel_reason or reason
        self.interrupt(attempt, Interruption.CANCEL)

    def give_back(self, received_before: float = inf) -> None:
        """Give back what has waited for a slot since before that reading of time.monotonic()."""
        for attempt in self.in_state(AttemptState.BUFFERED):
            if attempt.received_at < received_before:
                self.end(attempt, Released())

    def stop(self) -> None:
        """Take no more leases, and give back those whose attempt has not begun."""
        self.stopping.set()
        self.give_back()
        self.changed.set()

    # From the slots to the source.

    def offer(self) -> Sequence[Result]:
        """Return all results to be settled; they are kept until `settled`."""
        self._offered = (*self._offered, *self._results)
        self._results = []
        return self._offered

    def settled(self, answer: Exchange, *, instead: Sequence[Result] = ()) -> None:
        """Forget what was offered: the source has it, or wants another result instead."""
        offered, self._offered = self._offered, ()
        self._results += instead
        if self._observer is not None:
            self._observer.settled(offered, answer, instead=instead)
