"""Firing: what is due of the schedules becomes jobs, in the transaction that moves the schedules on."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError, IdempotencyKeyReused, ScheduleInvalid
from gosynq_server.domain.job import JobId
from gosynq_server.domain.schedule import OverlapPolicy, Plan, fired_spec, plan
from gosynq_server.store import jobs, schedules
from gosynq_server.store.records import storable
from gosynq_server.store.schedules import Moved

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from gosynq_server.domain.job import JobSpec
    from gosynq_server.domain.schedule import Schedule
    from gosynq_server.service.enqueue import Enqueued, Enqueuer
    from gosynq_server.service.superseding import Superseder
    from gosynq_server.store.database import Database
    from gosynq_server.store.jobs import Location
    from gosynq_server.store.schedules import Locked

_log = logging.getLogger(__name__)

HELD_BACK_FOR = timedelta(seconds=5)
_MOST_JOBS = 1000
_MOST_BYTES = 8 * 1024 * 1024
_REASON_CHARACTERS = 500
_MINDS_OVERLAP = frozenset({OverlapPolicy.SKIP, OverlapPolicy.CANCEL_PREVIOUS})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Firing:
    """A schedule that is due, the database's time, and what is to be fired; problem says why nothing can be."""

    schedule: Schedule
    now: datetime
    plan: Plan
    specs: tuple[JobSpec, ...] = ()
    problem: str = ""


class Firer:
    """Fires what is due, a chunk of schedules in one transaction. chance decides the jitter."""

    def __init__(
        self,
        database: Database,
        enqueuer: Enqueuer,
        superseder: Superseder,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._enqueuer = enqueuer
        self._superseder = superseder
        self._chance = chance

    async def fire(self, *, limit: int) -> bool:
        """Fire what is due of at most so many schedules; say whether more may be due."""
        async with self._database.transaction() as transaction:
            due = await schedules.lock_due(transaction, limit=limit)
            if not due:
                return False
            busy = await jobs.locate_unfinished(transaction, _jobs_to_mind(due))
            firings = list(self._firings(due, busy))
            specs = [spec for firing in firings for spec in firing.specs]
            answers = iter(await self._enqueuer.add_each(transaction, specs))
            moved = [_moved(firing, list(islice(answers, len(firing.specs)))) for firing in firings]
            previous = _to_supersede(firings, moved, busy)
            superseded = await self._superseder.cancel(transaction, previous, reason=_SUPERSEDED)
            await schedules.move(transaction, moved)
        self._enqueuer.wake(specs)
        self._superseder.wake(superseded, reason=_SUPERSEDED)
        _tell(firings, moved)
        return len(due) == limit or len(firings) < len(due) or any(map(_is_due, firings, moved))

    def _firings(self, due: Sequence[Locked], busy: Collection[JobId]) -> Iterator[_Firing]:
        """Give as many firings as one transaction should hold; the schedules that are left stay due."""
        jobs_left, bytes_left = _MOST_JOBS, _MOST_BYTES
        for locked in due:
            if jobs_left <= 0 or bytes_left <= 0:
                return
            size = max(1, len(locked.schedule.spec.job.payload))
            firing = self._firing(locked, busy, at_most=min(jobs_left, max(1, bytes_left // size)))
            jobs_left -= len(firing.specs)
            bytes_left -= len(firing.specs) * size
            yield firing

    def _firing(self, locked: Locked, busy: Collection[JobId], *, at_most: int) -> _Firing:
        schedule, now = locked.schedule, locked.now
        try:
            part = plan(schedule, now, is_busy=schedule.last_job_id in busy).at_most(at_most)
        except ScheduleInvalid as error:
            # Its time zone is not known here, or its expression no more: another server may do better.
            return _Firing(schedule=schedule, now=now, plan=Plan(due=(), next=None), problem=str(error))
        specs = tuple(fired_spec(schedule.spec, due, now, chance=self._chance()) for due in part.due)
        return _Firing(schedule=schedule, now=now, plan=part, specs=specs)


_SUPERSEDED = "its schedule fired again"


def _jobs_to_mind(due: Sequence[Locked]) -> list[JobId]:
    return [
        locked.schedule.last_job_id
        for locked in due
        if locked.schedule.last_job_id is not None and locked.schedule.spec.overlap_policy in _MINDS_OVERLAP
    ]


def _moved(firing: _Firing, answers: Sequence[Enqueued | GosynqError]) -> Moved:
    """Say where a schedule stands: behind what it fired, and before the first of it that was refused."""
    made = list(takewhile(_is_job, map(_job_of, answers)))
    refused, left = answers[len(made) :], firing.plan.due[len(made) :]
    problem = str(refused[0]) if refused else firing.problem
    next_run_at = firing.plan.next
    if problem:
        next_run_at = left[0] if left else firing.schedule.next_run_at
    return Moved(
        id=firing.schedule.spec.id,
        next_run_at=next_run_at,
        look_at=firing.now + HELD_BACK_FOR if problem else next_run_at,
        held_back=storable(problem[:_REASON_CHARACTERS]),
        last_run_at=firing.plan.due[len(made) - 1] if made else None,
        last_job_id=made[-1] if made else None,
    )


def _is_job(job: JobId | None) -> bool:
    return job is not None


def _job_of(answer: Enqueued | GosynqError) -> JobId | None:
    """Return the job of a firing, be it made now or before: then its key is held, whatever its template says now."""
    if isinstance(answer, IdempotencyKeyReused):
        return JobId(answer.metadata["job_id"])
    return None if isinstance(answer, GosynqError) else JobId(answer.job_id)


def _is_due(firing: _Firing, moved: Moved) -> bool:
    """Say whether there was not room for all that a schedule fires."""
    return moved.look_at is not None and moved.look_at <= firing.now


def _to_supersede(
    firings: Sequence[_Firing], moved: Sequence[Moved], busy: Mapping[JobId, Location]
) -> dict[JobId, Location]:
    return {
        last: busy[last]
        for firing, each in zip(firings, moved, strict=True)
        if (last := firing.schedule.last_job_id) in busy
        and firing.schedule.spec.overlap_policy is OverlapPolicy.CANCEL_PREVIOUS
        and each.last_job_id is not None
        and last is not None
        and last != each.last_job_id
    }


def _tell(firings: Sequence[_Firing], moved: Sequence[Moved]) -> None:
    for firing, each in zip(firings, moved, strict=True):
        if each.held_back and each.held_back != firing.schedule.held_back:
            _log.warning("a firing is held back", extra={"schedule": each.id, "error": each.held_back})
