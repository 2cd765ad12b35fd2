"""Cancelling jobs that others take the place of, in the transaction that adds those."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import DatabaseBusy
from gosynq_server.domain.job import JobId, Stage
from gosynq_server.store import jobs
from gosynq_server.store.jobs import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from gosynq_server.service.queues import Queues
    from gosynq_server.service.wakeups import Wakeups
    from gosynq_server.store.database import Transaction
    from gosynq_server.store.jobs import Location

_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """What becomes of jobs, written down as it is done: those that are cancelled, those whose workers are asked to."""

    finished: list[JobId] = field(default_factory=list)
    asked: list[JobId] = field(default_factory=list)


class Superseder:
    """Cancels what waits and asks for the cancel of what runs; window is how long every job stays."""

    def __init__(self, queues: Queues, wakeups: Wakeups, *, window: timedelta) -> None:
        self._queues = queues
        self._wakeups = wakeups
        self._window = window

    async def cancel(self, transaction: Transaction, previous: Mapping[JobId, Location], *, reason: str) -> Superseded:
        """Cancel jobs where they are; one that has become terminal meanwhile is left so. Raises DatabaseBusy."""
        done, left = Superseded(), dict(previous)
        for _ in range(_TRIES):
            for (queue, stage), group in sorted(_by_place(left).items()):
                await self._cancel_there(transaction, queue, stage, group, reason, done)
            # Those that were elsewhere by then have moved on.
            ended = {*done.finished, *done.asked}
            left = await jobs.locate_unfinished(transaction, [job for job in left if job not in ended])
            if not left:
                return done
        raise DatabaseBusy

    def wake(self, superseded: Superseded, *, reason: str) -> None:
        """Tell of what was cancelled, after the commit."""
        if superseded.finished:
            self._wakeups.jobs_finished(superseded.finished)
        for job in superseded.asked:
            self._wakeups.cancel_requested(job, reason)

    async def _cancel_there(
        self,
        transaction: Transaction,
        queue: str,
        stage: Stage,
        group: Sequence[JobId],
        reason: str,
        done: Superseded,
    ) -> None:
        if stage is Stage.RUNNING:
            done.asked.extend(await jobs.request_cancel(transaction, queue, group, reason=reason))
            return
        kept = Kept(retention=(await self._queues.get(queue)).defaults.retention, window=self._window)
        cancelled = await jobs.cancel_pending(transaction, queue, group, stage=stage, kept=kept, reason=reason)
        done.finished.extend(sorted(cancelled))


def _by_place(found: Mapping[JobId, Location]) -> dict[tuple[str, Stage], list[JobId]]:
    places: defaultdict[tuple[str, Stage], list[JobId]] = defaultdict(list)
    for job, location in found.items():
        places[location.queue, location.stage].append(job)
    return places
