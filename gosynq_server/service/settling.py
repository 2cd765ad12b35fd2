"""How attempts that did not end well are settled: each by its verdict, fenced by its lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed
from gosynq_server.domain.job import AttemptOutcome, JobStatus
from gosynq_server.domain.lease import DeadLetter, Lost, Release, Retry, Snooze, Verdict
from gosynq_server.store import leases
from gosynq_server.store.leases import WHENEVER, Failure
from gosynq_server.store.records import error_text, storable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from gosynq_client.worker.outcomes import Outcome
    from gosynq_server.domain.queue import Queue
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Executor
    from gosynq_server.store.leases import LeaseKey

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """An attempt that ended otherwise than well: its lease, what it came to, and what becomes of its job."""

    key: LeaseKey
    outcome: Outcome | Lost
    verdict: Verdict


class Settler:
    """Settles endings of one queue.

    until is the moment beyond which no lease may reach for its ending to count. window is how long an ended job stays
    at least.
    """

    def __init__(
        self, executor: Executor, queue: Queue, wakeups: Wakeups, *, window: timedelta, until: datetime = WHENEVER
    ) -> None:
        self._executor = executor
        self._queue = queue
        self._wakeups = wakeups
        self._window = window
        self._until = until

    async def settle(self, endings: Sequence[Ending]) -> dict[LeaseKey, JobStatus]:
        """Settle endings; return the leases that held, and the status of their jobs now.

        A cancel that came after the verdict goes before it.
        """
        put_off = await self._retry(_with(endings, Retry))
        dead = await self._dead_letter(_with(endings, DeadLetter))
        put_off |= await self._snooze(_with(endings, Snooze))
        put_off |= await self._release(_with(endings, Release))
        held = dict.fromkeys(put_off, JobStatus.PENDING) | dict.fromkeys(dead, JobStatus.FAILED)
        cancelled = await self._cancel([ending for ending in endings if ending.key not in held])
        return held | dict.fromkeys(cancelled, JobStatus.CANCELLED)

    async def _retry(self, group: Sequence[tuple[Ending, Retry]]) -> set[LeaseKey]:
        if not group:
            return set()
        held = await leases.retry(
            self._executor,
            self._queue.name,
            [_failure(ending, verdict.failures, verdict.deliveries) for ending, verdict in group],
            delays=[verdict.delay for _, verdict in group],
            until=self._until,
        )
        self._wakeups.jobs_scheduled(self._queue.name)
        return held

    async def _dead_letter(self, group: Sequence[tuple[Ending, DeadLetter]]) -> set[LeaseKey]:
        if not group:
            return set()
        held = await leases.dead_letter(
            self._executor,
            self._queue.name,
            [_failure(ending, verdict.failures, verdict.deliveries) for ending, verdict in group],
            kept_for=[max(verdict.retention, self._window) for _, verdict in group],
            until=self._until,
        )
        self._tell_finished(held)
        return held

    async def _snooze(self, group: Sequence[tuple[Ending, Snooze]]) -> set[LeaseKey]:
        if not group:
            return set()
        held = await leases.snooze(
            self._executor,
            self._queue.name,
            [ending.key for ending, _ in group],
            delays=[verdict.delay for _, verdict in group],
        )
        self._wakeups.jobs_scheduled(self._queue.name)
        return held

    async def _release(self, group: Sequence[tuple[Ending, Release]]) -> set[LeaseKey]:
        if not group:
            return set()
        held = await leases.release(self._executor, self._queue.name, [ending.key for ending, _ in group])
        self._wakeups.jobs_ready(self._queue.name)
        self._wakeups.jobs_held(self._queue.name)
        return held

    async def _cancel(self, endings: Sequence[Ending]) -> set[LeaseKey]:
        if not endings:
            return set()
        held = await leases.cancel(
            self._executor,
            self._queue,
            [_failure(ending, 0, 0) for ending in endings],
            window=self._window,
            until=self._until,
        )
        self._tell_finished(held)
        return held

    def _tell_finished(self, held: set[LeaseKey]) -> None:
        self._wakeups.jobs_finished([key[0] for key in held])  # type: ignore[misc] # a lease key begins with a job id


def _with(endings: Sequence[Ending], kind: type[V]) -> list[tuple[Ending, V]]:
    return [(ending, ending.verdict) for ending in endings if isinstance(ending.verdict, kind)]


def _failure(ending: Ending, failures: int, deliveries: int) -> Failure:
    outcome, error = _told(ending.outcome)
    return Failure(
        key=ending.key,
        failures=failures,
        deliveries=deliveries,
        outcome=outcome,
        error=error_text(error, lost=isinstance(ending.outcome, Lost)),
        stack_trace=storable(error.stack_trace),
    )


def _told(outcome: Outcome | Lost) -> tuple[AttemptOutcome, AttemptError]:
    match outcome:
        case Failed(error=error, timed_out=True):
            return AttemptOutcome.TIMED_OUT, error
        case Failed(error=error):
            return AttemptOutcome.FAILED, error
        case Lost(timed_out=True):
            return AttemptOutcome.TIMED_OUT, AttemptError(type="AttemptTimeout", message="the attempt took too long")
        case Lost():
            return AttemptOutcome.LEASE_EXPIRED, AttemptError(type="LeaseExpired", message="the worker was lost")
        case Cancelled(message=message):
            return AttemptOutcome.CANCELLED, AttemptError(type="Cancelled", message=message or "cancelled")
        case _:
            return AttemptOutcome.CANCELLED, AttemptError(type="Cancelled", message="cancelled")
