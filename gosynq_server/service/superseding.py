"""Cancelling jobs that others take the place of, in the transaction that adds those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import DatabaseBusy
from gosynq_server.domain.job import Stage
from gosynq_server.store import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from gosynq_server.domain.job import JobId
    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Transaction
    from gosynq_server.store.jobs import Location

_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """What became of jobs: those that are cancelled, and those whose workers are asked to."""

    finished: tuple[JobId, ...]
    asked: tuple[JobId, ...]


class Superseder:
    """Cancels what waits and asks for the cancel of what runs; window is how long every job stays."""

    def __init__(self, queues: Queues, wakeups: Wakeups, *, window: timedelta) -> None:
        self._queues = queues
        self._wakeups = wakeups
        self._window = window

    async def cancel(self, transaction: Transaction, previous: Mapping[JobId, Location], *, reason: str) -> Superseded:
        """Cancel jobs where they are; one that has become terminal meanwhile is left so."""
        finished, asked = [], []
        # In the order in which those who settle them lock them: two that meet could wait for each other otherwise.
        for job in sorted(previous, key=lambda job: (previous[job].queue, job)):
            match await self._cancel(transaction, job, previous[job], reason):
                case None:
                    continue
                case Stage.RUNNING:
                    asked.append(job)
                case _:
                    finished.append(job)
        return Superseded(finished=tuple(finished), asked=tuple(asked))

    def wake(self, superseded: Superseded, *, reason: str) -> None:
        """Tell of what was cancelled, after the commit."""
        if superseded.finished:
            self._wakeups.jobs_finished(superseded.finished)
        for job in superseded.asked:
            self._wakeups.cancel_requested(job, reason)

    async def _cancel(self, transaction: Transaction, job: JobId, place: Location | None, reason: str) -> Stage | None:
        """Cancel one job and say where it was, or None where it has become terminal."""
        for _ in range(_TRIES):
            if place is None:
                return None
            if await self._cancel_at(transaction, job, place, reason):
                return place.stage
            place = (await jobs.locate_unfinished(transaction, [job])).get(job)
        raise DatabaseBusy

    async def _cancel_at(self, transaction: Transaction, job: JobId, place: Location, reason: str) -> bool:
        if place.stage is Stage.RUNNING:
            return await jobs.request_cancel(transaction, place.queue, job, reason=reason)
        retention = (await self._queues.get(place.queue)).defaults.retention
        kept_for = max(retention if place.retention is None else place.retention, self._window)
        return await jobs.cancel_pending(
            transaction, place.queue, job, stage=place.stage, kept_for=kept_for, reason=reason
        )
