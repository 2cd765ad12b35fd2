"""Why a job is not running, or not done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gosynq_client.jobs import JobStatus


class HoldType(StrEnum):
    """What holds a job; UNKNOWN is something that this client is too old to know."""

    NOT_DUE = "not_due"
    BACKING_OFF = "backing_off"
    QUEUE_PAUSED = "queue_paused"
    QUEUE_CONCURRENCY = "queue_concurrency"
    QUEUE_RATE = "queue_rate"
    KEY_CONCURRENCY = "key_concurrency"
    ORDERING_KEY = "ordering_key"
    NO_WORKER_FOR_QUEUE = "no_worker_for_queue"
    NO_WORKER_FOR_KIND = "no_worker_for_kind"
    WORKERS_BUSY = "workers_busy"
    JOBS_AHEAD = "jobs_ahead"
    LEASED = "leased"
    TERMINAL = "terminal"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReason:
    """One thing that holds a job, in a line for a person and in figures.

    `until` is when it ends, where that is known; `count` how many jobs are ahead, or processing under the `limit` that
    is reached; `worker_id` who has the job.
    """

    type: HoldType
    message: str
    until: datetime | None
    count: int
    limit: int
    worker_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a job is not running or not done; without reasons nothing holds it, and the next free worker takes it."""

    status: JobStatus
    reasons: tuple[HoldReason, ...]
