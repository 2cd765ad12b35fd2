"""Why a job is not running, or not done: from what is known of it, everything that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.domain.queue import QueueState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from gosynq_server.domain.queue import QueueLimits

AHEAD_BOUND = 10_000
"""Up to where the jobs ahead of one are counted."""


class HoldType(StrEnum):
    """What holds a job, in the order in which it is told: first what ends only if somebody acts."""

    TERMINAL = "terminal"
    EXPIRED = "expired"
    LEASED = "leased"
    QUEUE_PAUSED = "queue_paused"
    NO_WORKER_FOR_QUEUE = "no_worker_for_queue"
    NO_WORKER_FOR_KIND = "no_worker_for_kind"
    NOT_DUE = "not_due"
    BACKING_OFF = "backing_off"
    ORDERING_KEY = "ordering_key"
    KEY_CONCURRENCY = "key_concurrency"
    QUEUE_CONCURRENCY = "queue_concurrency"
    JOBS_AHEAD = "jobs_ahead"
    WORKERS_BUSY = "workers_busy"
    QUEUE_RATE = "queue_rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds a job: what, in words, until when if that is known, and its figures."""

    type: HoldType
    message: str
    until: datetime | None = None
    count: int = 0
    limit: int = 0
    worker_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a job and its surroundings at one moment.

    is_ready: it stands at the front, ahead_count others of its fairness key before it. before_id is the job that its
    ordering key lets run first; key_taken_count are the places of its concurrency key that others have, at the front or
    leased. Workers are those heard of lately; has_free_worker: one of them that takes it has room.
    """

    seen_at: datetime
    queue: str
    kind: str
    status: JobStatus
    is_ready: bool
    run_at: datetime
    attempts: int
    worker_id: str
    lease_expires_at: datetime | None
    expires_at: datetime | None
    state: QueueState
    state_reason: str
    limits: QueueLimits
    running_count: int
    rate_opens_at: datetime | None
    concurrency_key: str
    key_running_count: int
    key_taken_count: int
    ordering_key: str
    before_id: str
    ahead_count: int
    has_rival_keys: bool
    workers_for_queue: int
    workers_for_kind: int
    has_free_worker: bool


def explain(situation: Situation) -> list[Hold]:
    """Return everything that holds the job now; nothing means that the next free worker takes it."""
    if situation.status in TERMINAL:
        return [Hold(type=HoldType.TERMINAL, message=f"it is {situation.status}")]
    if situation.status is JobStatus.PROCESSING:
        return [_leased(situation)]
    order = list(HoldType)
    holds = [*_of_queue(situation), *_of_workers(situation), *_of_job(situation), *_of_keys(situation)]
    return sorted(holds, key=lambda hold: order.index(hold.type))


def _leased(situation: Situation) -> Hold:
    return Hold(
        type=HoldType.LEASED,
        message=f"{situation.worker_id} has it",
        until=situation.lease_expires_at,
        worker_id=situation.worker_id,
    )


def _of_queue(situation: Situation) -> Iterator[Hold]:
    limits, running = situation.limits, situation.running_count
    if situation.state is QueueState.PAUSED:
        because = f": {situation.state_reason}" if situation.state_reason else ""
        yield Hold(type=HoldType.QUEUE_PAUSED, message=f"queue {situation.queue} is paused{because}")
    if limits.max_concurrency is not None and running >= limits.max_concurrency:
        yield Hold(
            type=HoldType.QUEUE_CONCURRENCY,
            message=f"queue {situation.queue} has {running} jobs processing and may have {limits.max_concurrency}",
            count=running,
            limit=limits.max_concurrency,
        )
    opens_at = situation.rate_opens_at
    if opens_at is not None and opens_at > situation.seen_at:
        yield Hold(
            type=HoldType.QUEUE_RATE,
            message=f"queue {situation.queue} may grant {limits.max_leases_per_second:g} leases a second",
            until=opens_at,
        )


def _of_workers(situation: Situation) -> Iterator[Hold]:
    queue, kind, count = situation.queue, situation.kind, situation.workers_for_kind
    if not situation.workers_for_queue:
        yield Hold(type=HoldType.NO_WORKER_FOR_QUEUE, message=f"no live worker takes from queue {queue}")
    elif not count:
        yield Hold(
            type=HoldType.NO_WORKER_FOR_KIND,
            message=f"of the {situation.workers_for_queue} workers of queue {queue} none takes the kind {kind!r}",
            count=situation.workers_for_queue,
        )
    elif not situation.has_free_worker:
        yield Hold(
            type=HoldType.WORKERS_BUSY,
            message=f"each of the {count} workers that could take it is full, or is to leave",
            count=count,
        )


def _of_job(situation: Situation) -> Iterator[Hold]:
    if situation.expires_at is not None and situation.expires_at <= situation.seen_at:
        yield Hold(type=HoldType.EXPIRED, message="it was not started in time and is about to be cancelled")
    if not situation.is_ready and situation.run_at > situation.seen_at:
        if situation.attempts:
            message = f"attempt {situation.attempts} failed, and the next is not due yet"
            yield Hold(type=HoldType.BACKING_OFF, message=message, until=situation.run_at)
        else:
            yield Hold(type=HoldType.NOT_DUE, message="it is not due yet", until=situation.run_at)
    ahead = situation.ahead_count
    if ahead or (situation.is_ready and situation.has_rival_keys):
        some = f"{ahead} jobs or more" if ahead >= AHEAD_BOUND else f"{ahead} jobs"
        message = f"{some} of its fairness key come first" if situation.has_rival_keys else f"{some} come first"
        turns = ", and other keys have their turns" if situation.has_rival_keys else ""
        yield Hold(type=HoldType.JOBS_AHEAD, message=message + turns, count=ahead)


def _of_keys(situation: Situation) -> Iterator[Hold]:
    if situation.is_ready:
        return
    limit = situation.limits.max_concurrency_per_key
    if situation.concurrency_key and limit is not None and situation.key_taken_count >= limit:
        at_front = situation.key_taken_count - situation.key_running_count
        yield Hold(
            type=HoldType.KEY_CONCURRENCY,
            message=f"concurrency key {situation.concurrency_key!r} has {situation.key_running_count} jobs processing"
            f" and {at_front} about to be, and may have {limit}",
            count=situation.key_taken_count,
            limit=limit,
        )
    if situation.ordering_key and situation.before_id:
        message = f"job {situation.before_id} with ordering key {situation.ordering_key!r} comes first"
        yield Hold(type=HoldType.ORDERING_KEY, message=message)
