"""Which jobs the demonstration enqueues, and how each of them is to end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gosynq_client import JobRequest, JobStatus, Priority, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PRIORITIES = (Priority.NORMAL, Priority.LOW, Priority.HIGH, Priority.NORMAL, Priority.CRITICAL)
_RETRY_POLICY = RetryPolicy(initial_backoff=timedelta(milliseconds=200), max_backoff=timedelta(seconds=1))
_SNOOZE = timedelta(seconds=2)
_FAR_AHEAD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job, how it is to end and after how many attempts. direct: it runs once, and at once."""

    request: JobRequest
    end: JobStatus = JobStatus.COMPLETED
    attempts: int = 1
    direct: bool = True


@dataclass(frozen=True, slots=True)
class _Draft:
    """What the makers say of a job; the rest is the same for all."""

    queue: str
    kind: str
    payload: dict[str, Any]
    fails: int = 0
    end: JobStatus = JobStatus.COMPLETED
    attempts: int = 1
    max_retries: int | None = None
    delay: timedelta | None = None
    snoozed: bool = False


def plan_jobs(count: int, files: Sequence[str], *, run: str, now: datetime) -> list[PlannedJob]:
    """Plan so many jobs, the same ones each time: ten kinds in turn, and of each kind the odd ones now and then.

    run labels them, so that they can be found; now is this machine's time.
    """
    planned = []
    for number in range(count):
        turn, kind = divmod(number, len(_MAKERS))
        picked = [files[(number * 7 + offset) % len(files)] for offset in range(3)]
        planned.append(_plan(_MAKERS[kind](turn, picked, now), number, run))
    return planned


def _plan(draft: _Draft, number: int, run: str) -> PlannedJob:
    payload = {**draft.payload, "fails": draft.fails} if draft.fails else draft.payload
    request = JobRequest(
        draft.kind,
        payload,
        queue=draft.queue,
        priority=_PRIORITIES[number % len(_PRIORITIES)],
        labels={"demo": run},
        idempotency_key=f"demo-{run}-{number}",
        max_retries=draft.max_retries,
        retry_policy=_RETRY_POLICY,
        delay=draft.delay,
    )
    attempts = draft.attempts + draft.fails
    direct = draft.end is JobStatus.COMPLETED and attempts == 1 and draft.delay is None and not draft.snoozed
    return PlannedJob(request=request, end=draft.end, attempts=attempts, direct=direct)


def _one_in_ten(turn: int, which: int) -> bool:
    return turn % 10 == which


def _checksum(_turn: int, files: list[str], _now: datetime) -> _Draft:
    return _Draft("files", "file_checksum", {"path": files[0]})


def _words(_turn: int, files: list[str], _now: datetime) -> _Draft:
    return _Draft("files", "word_count", {"path": files[0]})


def _archive(_turn: int, files: list[str], _now: datetime) -> _Draft:
    return _Draft("files", "archive", {"paths": files})


def _mail(turn: int, _files: list[str], _now: datetime) -> _Draft:
    payload = {"to": f"reader{turn}@gosynq.example", "subject": f"Hello number {turn}"}
    return _Draft("mail", "email_notification", payload, fails=turn % 5 % 3)


def _data(turn: int, files: list[str], _now: datetime) -> _Draft:
    return _Draft("default", "data_processing", {"paths": files}, fails=1 if _one_in_ten(turn, 3) else 0)


def _report(turn: int, files: list[str], now: datetime) -> _Draft:
    if not _one_in_ten(turn, 0):
        return _Draft("reports", "report_generation", {"paths": files})
    payload = {"paths": files, "data_ready_at": (now + _SNOOZE).isoformat()}
    return _Draft("reports", "report_generation", payload, snoozed=True)


def _image(turn: int, _files: list[str], _now: datetime) -> _Draft:
    if _one_in_ten(turn, 7):
        return _Draft("media", "image_resizing", {"side": 0}, end=JobStatus.FAILED)
    return _Draft("media", "image_resizing", {"side": 32 + turn % 4 * 8})


def _sync(turn: int, _files: list[str], _now: datetime) -> _Draft:
    return _Draft("default", "api_sync", {"items": 100 + turn}, fails=2 if _one_in_ten(turn, 5) else 0)


def _backup(turn: int, files: list[str], _now: datetime) -> _Draft:
    if _one_in_ten(turn, 9):
        payload = {"paths": files, "disk_full": True}
        return _Draft("default", "backup_task", payload, end=JobStatus.FAILED, attempts=2, max_retries=1)
    return _Draft("default", "backup_task", {"paths": files})


def _cleanup(turn: int, _files: list[str], _now: datetime) -> _Draft:
    if _one_in_ten(turn, 8):
        return _Draft("default", "cleanup_task", {}, end=JobStatus.CANCELLED, attempts=0, delay=_FAR_AHEAD)
    delay = timedelta(seconds=1) if _one_in_ten(turn, 4) else None
    return _Draft("default", "cleanup_task", {"files": 3}, delay=delay)


_MAKERS: tuple[Callable[[int, list[str], datetime], _Draft], ...] = (
    _checksum,
    _words,
    _archive,
    _mail,
    _data,
    _report,
    _image,
    _sync,
    _backup,
    _cleanup,
)
