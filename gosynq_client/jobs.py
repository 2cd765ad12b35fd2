"""What a caller says about jobs, and what a server says of them, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, TypedDict

JsonObject: TypeAlias = Mapping[str, object]
Content: TypeAlias = JsonObject | bytes


class JobStatus(StrEnum):
    """Where a job is in its life; UNKNOWN is a status that this client is too old to know."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Priority(StrEnum):
    """The order inside a queue, lowest first; UNKNOWN is only ever returned, by a server newer than this client."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


class BackoffStrategy(StrEnum):
    """The shape of the delay between attempts; UNKNOWN is only ever returned, by a server newer than this client."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"
    UNKNOWN = "unknown"


class DebounceMode(StrEnum):
    """What an enqueue does to the waiting job that its debounce key names: leave it, replace it, or move its start."""

    KEEP = "keep"
    REPLACE = "replace"
    RESCHEDULE = "reschedule"
    UNKNOWN = "unknown"


class AttemptOutcome(StrEnum):
    """How an attempt ended; RUNNING has not, and UNKNOWN is one that this client is too old to know."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SNOOZED = "snoozed"
    RELEASED = "released"
    LEASE_EXPIRED = "lease_expired"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait between attempts; None means the queue's setting, and a job that was read has none left."""

    strategy: BackoffStrategy | None = None
    initial_backoff: timedelta | None = None
    multiplier: float | None = None
    max_backoff: timedelta | None = None
    jitter: float | None = None


class JobOptions(TypedDict, total=False):
    """What may be said of a job beside its kind and payload: the fields of `JobRequest`, which tells of each."""

    queue: str
    priority: Priority | None
    content_type: str
    run_at: datetime | None
    delay: timedelta | None
    idempotency_key: str | None
    labels: Mapping[str, str]
    headers: Mapping[str, str]
    max_retries: int | None
    max_deliveries: int | None
    retry_policy: RetryPolicy | None
    lease_duration: timedelta | None
    attempt_timeout: timedelta | None
    expires_at: datetime | None
    retention: timedelta | None
    concurrency_key: str
    ordering_key: str
    fairness_key: str
    debounce_key: str
    debounce_mode: DebounceMode | None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job to enqueue; None means the queue's setting.

    `payload` is a JSON object, or bytes, which the worker gets unchanged with their `content_type`
    (application/octet-stream if it is empty). `run_at` (aware) or `delay`, not both, say when the job may start.
    `idempotency_key` None has a key made for the one call, so that its retries can't make a second job; "" is no key,
    and a call without one is not retried. `labels` can be searched by; `headers` are only carried to the worker.

    Jobs of a queue with one `concurrency_key` share its max_concurrency_per_key; those with one `ordering_key` run
    strictly one after another, and a job has one of the two at most. Those of different `fairness_key` are served in
    turn. `debounce_key` names at most one job that waits for its first lease: where there is one, none is added, and
    `debounce_mode` (KEEP unless said) says what becomes of it. It goes with no idempotency key, and none is made.
    """

    kind: str
    payload: Content = field(default_factory=dict)
    _: KW_ONLY
    queue: str = "default"
    priority: Priority | None = None
    content_type: str = ""
    run_at: datetime | None = None
    delay: timedelta | None = None
    idempotency_key: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    max_retries: int | None = None
    max_deliveries: int | None = None
    retry_policy: RetryPolicy | None = None
    lease_duration: timedelta | None = None
    attempt_timeout: timedelta | None = None
    expires_at: datetime | None = None
    retention: timedelta | None = None
    concurrency_key: str = ""
    ordering_key: str = ""
    fairness_key: str = ""
    debounce_key: str = ""
    debounce_mode: DebounceMode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """What a worker last said of a running attempt, in its own unit; `total` is 0 when it is not known."""

    current: int
    total: int
    message: str
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why an attempt failed; the stack trace is empty in a list."""

    type: str
    message: str
    stack_trace: str
    non_retryable: bool
    details: JsonObject | None
    attempt: int
    occurred_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the server holds it.

    `payload` and `result` are a dict where they are a JSON object, and bytes of `content_type` and
    `result_content_type` otherwise. They are None, and headers empty, where only the basics were asked for. `attempt`
    counts the attempts started so far. Moments are aware, in UTC.
    """

    id: str
    queue: str
    kind: str
    status: JobStatus
    priority: Priority
    payload: Content | None
    content_type: str
    max_retries: int
    max_deliveries: int
    attempt: int
    retry_policy: RetryPolicy
    run_at: datetime
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    idempotency_key: str
    labels: Mapping[str, str]
    headers: Mapping[str, str]
    locked_by: str
    locked_at: datetime | None
    lease_expires_at: datetime | None
    lease_duration: timedelta
    attempt_timeout: timedelta | None
    retention: timedelta
    progress: JobProgress | None
    result: Content | None
    result_content_type: str
    last_error: JobError | None
    cancel_requested_at: datetime | None
    dead_lettered_at: datetime | None
    schedule_id: str
    revision: int
    concurrency_key: str
    ordering_key: str
    fairness_key: str

    @property
    def done(self) -> bool:
        """Whether the job is over: completed, failed or cancelled."""
        return self.status in _TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One lease of a job, from grant to end; `lease_sequence` grows by one with each."""

    lease_sequence: int
    attempt: int
    worker_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: AttemptOutcome
    error: JobError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueuedJob:
    """What an enqueue came to.

    `id` is empty after a mere check. `deduplicated` says that the job was there already, under the same key. `job` is
    the job with every default resolved, without payload and headers; a batch or a stream leaves it out. A watch from
    `cursor` shows everything that happens to the job; it is None for a batch or a stream, a check, or a job that was
    there already.
    """

    id: str
    status: JobStatus
    deduplicated: bool
    job: Job | None
    cursor: str | None = None


_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
