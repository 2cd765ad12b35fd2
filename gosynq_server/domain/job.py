"""A job: what a caller says of it, and what the store holds of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, NewType

from gosynq_server.domain.retry import RetryPolicy, RetryPolicyOverride

if TYPE_CHECKING:
    from collections.abc import Mapping

JobId = NewType("JobId", str)

JSON_CONTENT_TYPE = "application/json"


class JobStatus(StrEnum):
    """Where a job is in its life, as callers see it."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(StrEnum):
    """The table that a job is in."""

    SCHEDULED = "scheduled"
    READY = "ready"
    RUNNING = "running"
    FINISHED = "finished"


class Priority(IntEnum):
    """The order inside a queue: higher ones are leased first."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    CRITICAL = 4


class DebounceMode(StrEnum):
    """What an enqueue does to the waiting job that its debounce key names."""

    KEEP = "keep"
    REPLACE = "replace"
    RESCHEDULE = "reschedule"


class AttemptOutcome(StrEnum):
    """How an attempt ended; RUNNING has not."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEASE_EXPIRED = "lease_expired"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What is said about a job; None means the queue's setting. schedule_id is the schedule's that says it."""

    queue: str
    kind: str
    payload: bytes = b"{}"
    content_type: str = JSON_CONTENT_TYPE
    priority: Priority | None = None
    max_retries: int | None = None
    max_deliveries: int | None = None
    run_at: datetime | None = None
    delay: timedelta | None = None
    idempotency_key: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicyOverride | None = None
    lease_duration: timedelta | None = None
    attempt_timeout: timedelta | None = None
    expires_at: datetime | None = None
    retention: timedelta | None = None
    schedule_id: str = ""
    concurrency_key: str = ""
    ordering_key: str = ""
    fairness_key: str = ""
    debounce_key: str = ""
    debounce_mode: DebounceMode = DebounceMode.KEEP

    @property
    def waits_for_key(self) -> bool:
        """Whether it has a key that other jobs may have the places of."""
        return bool(self.concurrency_key or self.ordering_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why an attempt failed. details is a JSON object as bytes, or None."""

    type: str
    message: str
    stack_trace: str
    non_retryable: bool
    details: bytes | None
    attempt: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """What a worker said of a running attempt."""

    current: int
    total: int
    message: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is, its queue's settings filled in; payload and result are None where they were not asked for."""

    id: JobId
    queue: str
    kind: str
    status: JobStatus
    stage: Stage
    priority: Priority
    payload: bytes | None
    content_type: str
    max_retries: int
    max_deliveries: int
    failures: int
    deliveries: int
    retry_policy: RetryPolicy
    lease_duration: timedelta
    attempt_timeout: timedelta | None
    retention: timedelta
    created_at: datetime
    run_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    updated_at: datetime
    expires_at: datetime | None = None
    idempotency_key: str = ""
    schedule_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    worker_id: str = ""
    lease_seq: int = 0
    lease_expires_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    progress: JobProgress | None = None
    result: bytes | None = None
    result_content_type: str = ""
    last_error: JobError | None = None
    revision: int = 1
    concurrency_key: str = ""
    ordering_key: str = ""
    fairness_key: str = ""

    @property
    def attempt(self) -> int:
        """Counted attempts started so far."""
        return self.failures + self.deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One lease of a job, from grant to end."""

    lease_seq: int
    attempt: int
    worker_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: AttemptOutcome
    error: JobError | None
