"""Schedules of an interval in plain Python: what each fires of its due times. The clock counts minutes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.schedule import CatchUpPolicy, OverlapPolicy

PENDING, PROCESSING, CANCELLED = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.CANCELLED
CAUGHT_UP = 100


@dataclass(slots=True, kw_only=True)
class ModelSchedule:
    """A schedule; every and last are in minutes, last being the one after which it is due no more."""

    created: int
    every: int
    last: int
    overlap: OverlapPolicy
    catch_up: CatchUpPolicy
    next: int | None = None
    paused: bool = False
    is_held_back: bool = False
    last_job: str | None = None

    def due_after(self, minute: int) -> int | None:
        """Return the first due time after a minute has begun."""
        due = self.created + ((minute - self.created) // self.every + 1) * self.every
        return due if due <= self.last else None

    def due_until(self, now: int) -> list[int]:
        """Return the due times from the next one on that have come, by all that is to be caught up."""
        assert self.next is not None
        due = list(range(self.next, min(now, self.last) + 1, self.every))
        if now == self.next:
            return due
        match self.catch_up:
            case CatchUpPolicy.NONE:
                return due[-1:] if due[-1] == now else []
            case CatchUpPolicy.ONE:
                return due[-1:]
            case CatchUpPolicy.ALL:
                return [each for each in due if each > now - min(CAUGHT_UP * self.every, 24 * 60)]


@dataclass(slots=True)
class SchedulesModel:
    """All schedules, and the jobs that they made by their ids."""

    schedules: dict[str, ModelSchedule] = field(default_factory=dict)
    statuses: dict[str, JobStatus] = field(default_factory=dict)
    cancel_requested: set[str] = field(default_factory=set)
    is_draining: bool = False
    now: int = 0

    def fire(self) -> dict[str, list[int]]:
        """Fire what is due; return the due times that are fired."""
        due = {name: each for name, each in self.schedules.items() if each.next is not None and each.next <= self.now}
        return {name: fired for name, each in due.items() if (fired := self._fire(each))}

    def _fire(self, schedule: ModelSchedule) -> list[int]:
        due = schedule.due_until(self.now)
        if schedule.overlap is OverlapPolicy.SKIP and self._is_busy(schedule):
            due = []
        if schedule.overlap in {OverlapPolicy.SKIP, OverlapPolicy.CANCEL_PREVIOUS}:
            due = due[-1:]
        schedule.is_held_back = self.is_draining and bool(due)
        if schedule.is_held_back:
            schedule.next = due[0]
            return []
        if due and schedule.overlap is OverlapPolicy.CANCEL_PREVIOUS and self._is_busy(schedule):
            self._cancel(schedule.last_job or "")
        schedule.next = schedule.due_after(self.now)
        return due

    def _is_busy(self, schedule: ModelSchedule) -> bool:
        return self.statuses.get(schedule.last_job or "") in {PENDING, PROCESSING}

    def _cancel(self, job: str) -> None:
        if self.statuses[job] is PENDING:
            self.statuses[job] = CANCELLED
        else:
            self.cancel_requested.add(job)

    def made(self, name: str, job: str) -> None:
        """Add a job of a schedule, its last one."""
        self.statuses[job] = PENDING
        self.schedules[name].last_job = job

    def change(self, name: str, overlap: OverlapPolicy, catch_up: CatchUpPolicy) -> None:
        """Give a schedule other policies; what was held back by then is tried again."""
        schedule = self.schedules[name]
        if (schedule.overlap, schedule.catch_up) != (overlap, catch_up):
            schedule.overlap, schedule.catch_up, schedule.is_held_back = overlap, catch_up, False

    def pause(self, name: str) -> None:
        self.schedules[name].paused = True
        self.schedules[name].next = None
        self.schedules[name].is_held_back = False

    def resume(self, name: str) -> None:
        schedule = self.schedules[name]
        if schedule.paused:
            schedule.paused, schedule.next = False, schedule.due_after(self.now)
