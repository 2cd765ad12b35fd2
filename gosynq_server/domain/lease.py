"""What becomes of a job when a lease of it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, assert_never

from gosynq_client.worker.outcomes import Cancelled, Failed, Outcome, Released, Snoozed, Succeeded

if TYPE_CHECKING:
    from gosynq_server.domain.queue import Queue
    from gosynq_server.domain.retry import RetryPolicyOverride

MAX_DELAY = timedelta(days=365)
"""The longest that a job is put off, whatever its handler says: an absurd delay must not fail its whole batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The lease ran out without a word from the worker; timed_out if its attempt's deadline had passed as well."""

    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseFacts:
    """What is known of a job under its lease; the lease itself is among deliveries. None means the queue's setting."""

    failures: int
    deliveries: int
    max_retries: int | None
    max_deliveries: int | None
    retry_policy: RetryPolicyOverride | None
    retention: timedelta | None
    cancel_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Complete:
    """The job is completed and kept this long; its counters stay."""

    retention: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The job waits for another attempt; failures and deliveries are its counters from now on."""

    delay: timedelta
    failures: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """The job is failed for good and kept this long; failures and deliveries are its counters from now on."""

    retention: timedelta
    failures: int
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """The job is put off, uncounted: its deliveries fall by one."""

    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The job is ready again at once, uncounted: its deliveries fall by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """The job is cancelled and kept this long; its counters stay."""

    retention: timedelta


Verdict: TypeAlias = Complete | Retry | DeadLetter | Snooze | Release | Cancel


def judge(outcome: Outcome | Lost, *, lease: LeaseFacts, queue: Queue, chance: float) -> Verdict:
    """Say what becomes of a job; chance, in [0, 1), is the random part of a back-off.

    A cancel that was asked for happens whatever the attempt came to, unless it succeeded first.
    """
    match outcome:
        case Succeeded():
            return Complete(retention=_retention(lease, queue.defaults.retention))
        case _ if lease.cancel_requested:
            return Cancel(retention=_retention(lease, queue.defaults.retention))
        case Snoozed():
            return Snooze(delay=_bounded(outcome.delay))
        case Released():
            return Release()
        case Failed() | Cancelled() | Lost():
            return _judge_failure(outcome, lease, queue, chance)
        case _:
            assert_never(outcome)


def _judge_failure(
    outcome: Failed | Cancelled | Lost, lease: LeaseFacts, queue: Queue, chance: float
) -> Retry | DeadLetter:
    backoff = queue.retry_policy_of(lease.retry_policy).backoff(lease.failures + lease.deliveries, chance)
    match outcome:
        case Lost():
            return (_failed if outcome.timed_out else _lost)(lease, queue, backoff)
        case Cancelled():
            return _failed(lease, queue, None)
        case Failed():
            delay = backoff if outcome.retry_after is None else outcome.retry_after
            return _failed(lease, queue, None if outcome.error.non_retryable else delay)
        case _:
            assert_never(outcome)


def _failed(lease: LeaseFacts, queue: Queue, delay: timedelta | None) -> Retry | DeadLetter:
    """Judge a failure that is known of, and so gives the delivery back; without a delay there is no retry."""
    failures, deliveries = lease.failures + 1, lease.deliveries - 1
    max_retries = queue.defaults.max_retries if lease.max_retries is None else lease.max_retries
    if delay is None or failures > max_retries:
        retention = _retention(lease, queue.defaults.dead_letter_retention)
        return DeadLetter(retention=retention, failures=failures, deliveries=deliveries)
    return Retry(delay=_bounded(delay), failures=failures, deliveries=deliveries)


def _lost(lease: LeaseFacts, queue: Queue, delay: timedelta) -> Retry | DeadLetter:
    """Judge an end that nobody told of: the delivery stays spent."""
    max_deliveries = queue.defaults.max_deliveries if lease.max_deliveries is None else lease.max_deliveries
    if lease.deliveries >= max_deliveries:
        retention = _retention(lease, queue.defaults.dead_letter_retention)
        return DeadLetter(retention=retention, failures=lease.failures, deliveries=lease.deliveries)
    return Retry(delay=_bounded(delay), failures=lease.failures, deliveries=lease.deliveries)


def _bounded(delay: timedelta) -> timedelta:
    return max(timedelta(0), min(delay, MAX_DELAY))


def _retention(lease: LeaseFacts, otherwise: timedelta) -> timedelta:
    return otherwise if lease.retention is None else lease.retention
