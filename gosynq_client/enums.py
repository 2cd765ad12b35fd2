"""The contract's enums beside the client's: one table each, read both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from gosynq.v1 import event_pb2, job_pb2
from gosynq_client.events import EventType
from gosynq_client.jobs import AttemptOutcome, BackoffStrategy, JobStatus, Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

_Number = TypeVar("_Number", bound=int)
_Member = TypeVar("_Member", bound=str)

STATUSES: Final[Mapping[job_pb2.JobStatus.ValueType, JobStatus]] = {
    job_pb2.JOB_STATUS_PENDING: JobStatus.PENDING,
    job_pb2.JOB_STATUS_PROCESSING: JobStatus.PROCESSING,
    job_pb2.JOB_STATUS_COMPLETED: JobStatus.COMPLETED,
    job_pb2.JOB_STATUS_FAILED: JobStatus.FAILED,
    job_pb2.JOB_STATUS_CANCELLED: JobStatus.CANCELLED,
}

PRIORITIES: Final[Mapping[job_pb2.JobPriority.ValueType, Priority]] = {
    job_pb2.JOB_PRIORITY_LOW: Priority.LOW,
    job_pb2.JOB_PRIORITY_NORMAL: Priority.NORMAL,
    job_pb2.JOB_PRIORITY_HIGH: Priority.HIGH,
    job_pb2.JOB_PRIORITY_CRITICAL: Priority.CRITICAL,
}

STRATEGIES: Final[Mapping[job_pb2.BackoffStrategy.ValueType, BackoffStrategy]] = {
    job_pb2.BACKOFF_STRATEGY_FIXED: BackoffStrategy.FIXED,
    job_pb2.BACKOFF_STRATEGY_EXPONENTIAL: BackoffStrategy.EXPONENTIAL,
}

OUTCOMES: Final[Mapping[job_pb2.AttemptOutcome.ValueType, AttemptOutcome]] = {
    job_pb2.ATTEMPT_OUTCOME_UNSPECIFIED: AttemptOutcome.RUNNING,
    job_pb2.ATTEMPT_OUTCOME_SUCCEEDED: AttemptOutcome.SUCCEEDED,
    job_pb2.ATTEMPT_OUTCOME_FAILED: AttemptOutcome.FAILED,
    job_pb2.ATTEMPT_OUTCOME_CANCELLED: AttemptOutcome.CANCELLED,
    job_pb2.ATTEMPT_OUTCOME_SNOOZED: AttemptOutcome.SNOOZED,
    job_pb2.ATTEMPT_OUTCOME_RELEASED: AttemptOutcome.RELEASED,
    job_pb2.ATTEMPT_OUTCOME_LEASE_EXPIRED: AttemptOutcome.LEASE_EXPIRED,
    job_pb2.ATTEMPT_OUTCOME_TIMED_OUT: AttemptOutcome.TIMED_OUT,
}

EVENT_TYPES: Final[Mapping[event_pb2.EventType.ValueType, EventType]] = {
    event_pb2.EVENT_TYPE_CREATED: EventType.CREATED,
    event_pb2.EVENT_TYPE_STARTED: EventType.STARTED,
    event_pb2.EVENT_TYPE_SUCCEEDED: EventType.SUCCEEDED,
    event_pb2.EVENT_TYPE_FAILED: EventType.FAILED,
    event_pb2.EVENT_TYPE_CANCELLED: EventType.CANCELLED,
    event_pb2.EVENT_TYPE_CANCEL_REQUESTED: EventType.CANCEL_REQUESTED,
    event_pb2.EVENT_TYPE_DEAD_LETTERED: EventType.DEAD_LETTERED,
    event_pb2.EVENT_TYPE_REQUEUED: EventType.REQUEUED,
    event_pb2.EVENT_TYPE_PROGRESS: EventType.PROGRESS,
    event_pb2.EVENT_TYPE_DELETED: EventType.DELETED,
}


def number_of(table: Mapping[_Number, _Member], member: _Member) -> _Number:
    """Look a member's number up. Raises ValueError for one that can't be sent, such as UNKNOWN."""
    for number, known in table.items():
        if known == member:
            return number
    raise ValueError(f"{member!r} can't be sent; one of {', '.join(table.values())} can")
