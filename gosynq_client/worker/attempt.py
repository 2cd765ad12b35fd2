"""An attempt: one lease in this worker's hands, from its arrival to its end."""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Final

from gosynq_client.worker.outcomes import Cancelled, Outcome, Released
from gosynq_client.worker.verdicts import cut_end, outcome_of_error, timed_out

if TYPE_CHECKING:
    import asyncio
    from datetime import timedelta

    from gosynq_client.worker.job import Job
    from gosynq_client.worker.leases import Lease

MAX_CANCEL_MESSAGE_BYTES: Final = 1024
# The contract's: no lease lasts longer beyond the end of its attempt's time, however often it is extended.
MAX_SECONDS_BEYOND_TIMEOUT: Final = 15.0


class AttemptState(IntEnum):
    """Where an attempt is; ENDED is what the worker says of it, its handler may still be at it."""

    BUFFERED = 0
    RUNNING = 1
    ENDED = 2


class Interruption(IntEnum):
    """Why an attempt is broken off; of several reasons the highest decides what it came to."""

    NONE = 0
    SHUTDOWN = 1
    TIMEOUT = 2
    CANCEL = 3
    LEASE_LOST = 4


class Attempt:
    """The mutable side of a lease. received_at, started_at and holds_until are readings of time.monotonic().

    From holds_until on the lease may be another worker's, as far as is known here. That clock goes on while the process
    is paused.
    """

    __slots__ = (
        "_last_moment",
        "cancel_reason",
        "holds_until",
        "interruption",
        "job",
        "lease",
        "received_at",
        "started_at",
        "state",
        "task",
        "timeout",
    )

    # Only there once it has started.
    job: Job
    task: asyncio.Task[None]

    def __init__(self, lease: Lease, received_at: float, granted_at: float) -> None:
        self.lease = lease
        self.received_at = received_at
        self.started_at = 0.0
        self.state = AttemptState.BUFFERED
        self.interruption = Interruption.NONE
        self.cancel_reason = ""
        self.timeout: timedelta | None = lease.attempt_timeout
        self._last_moment = inf
        if self.timeout is not None:
            self._last_moment = granted_at + self.timeout.total_seconds() + MAX_SECONDS_BEYOND_TIMEOUT
        self.hold_from(granted_at)

    def hold_from(self, moment: float) -> None:
        """Count on the lease for its duration from a moment on: no later than that of its grant or its extension."""
        self.holds_until = min(moment + self.lease.lease_duration.total_seconds(), self._last_moment)

    def limit(self, timeout: timedelta | None) -> None:
        """Let it take no longer than timeout, nor than its lease allows."""
        if timeout is not None and (self.timeout is None or timeout < self.timeout):
            self.timeout = timeout

    def start(self, job: Job, task: asyncio.Task[None], now: float) -> None:
        """Begin: task is the slot's, which is inside the handler until the attempt ends."""
        self.job = job
        self.task = task
        self.started_at = now
        self.state = AttemptState.RUNNING

    def disturb(self) -> None:
        """Make the handler of a started attempt feel that it is to stop.

        While an attempt runs its slot's task is inside the handler, so CancelledError comes up there and nowhere else.
        What comes too late for the handler the slot takes back.
        """
        self.job.request_cancel()
        self.task.cancel()

    def outcome_of(self, error: BaseException) -> Outcome:
        """Judge what came out of the handler; fit for its thread."""
        return outcome_of_error(error) if self.interruption is Interruption.NONE else self.broken_off(error)

    def broken_off(self, error: BaseException | None = None) -> Outcome:
        """Judge an interrupted attempt; error, if any, is what came out of the handler."""
        if self.interruption is Interruption.CANCEL:
            return Cancelled(message=cut_end(self.cancel_reason, MAX_CANCEL_MESSAGE_BYTES))
        if self.interruption is Interruption.TIMEOUT and self.timeout is not None:
            return timed_out(self.timeout, error)
        return Released()
