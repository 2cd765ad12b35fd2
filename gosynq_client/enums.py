"""The contract's enums beside the client's: one table each, read both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from gosynq.v1 import event_pb2, job_pb2, job_service_pb2, queue_pb2, schedule_pb2, worker_pb2
from gosynq_client.events import EventType
from gosynq_client.explanation import HoldType
from gosynq_client.jobs import AttemptOutcome, BackoffStrategy, DebounceMode, JobStatus, Priority
from gosynq_client.queue_info import QueueState
from gosynq_client.schedule_info import CatchUpPolicy, OverlapPolicy
from gosynq_client.worker_info import WorkerState

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

DEBOUNCE_MODES: Final[Mapping[job_pb2.DebounceMode.ValueType, DebounceMode]] = {
    job_pb2.DEBOUNCE_MODE_KEEP: DebounceMode.KEEP,
    job_pb2.DEBOUNCE_MODE_REPLACE: DebounceMode.REPLACE,
    job_pb2.DEBOUNCE_MODE_RESCHEDULE: DebounceMode.RESCHEDULE,
}

QUEUE_STATES: Final[Mapping[queue_pb2.QueueState.ValueType, QueueState]] = {
    queue_pb2.QUEUE_STATE_ACTIVE: QueueState.ACTIVE,
    queue_pb2.QUEUE_STATE_PAUSED: QueueState.PAUSED,
    queue_pb2.QUEUE_STATE_DRAINING: QueueState.DRAINING,
    queue_pb2.QUEUE_STATE_DELETING: QueueState.DELETING,
}

OVERLAP_POLICIES: Final[Mapping[schedule_pb2.OverlapPolicy.ValueType, OverlapPolicy]] = {
    schedule_pb2.OVERLAP_POLICY_ALLOW: OverlapPolicy.ALLOW,
    schedule_pb2.OVERLAP_POLICY_SKIP: OverlapPolicy.SKIP,
    schedule_pb2.OVERLAP_POLICY_CANCEL_PREVIOUS: OverlapPolicy.CANCEL_PREVIOUS,
    schedule_pb2.OVERLAP_POLICY_QUEUE: OverlapPolicy.QUEUE,
}

CATCH_UP_POLICIES: Final[Mapping[schedule_pb2.CatchUpPolicy.ValueType, CatchUpPolicy]] = {
    schedule_pb2.CATCH_UP_POLICY_NONE: CatchUpPolicy.NONE,
    schedule_pb2.CATCH_UP_POLICY_ONE: CatchUpPolicy.ONE,
    schedule_pb2.CATCH_UP_POLICY_ALL: CatchUpPolicy.ALL,
}

WORKER_STATES: Final[Mapping[worker_pb2.WorkerState.ValueType, WorkerState]] = {
    worker_pb2.WORKER_STATE_ACTIVE: WorkerState.ACTIVE,
    worker_pb2.WORKER_STATE_DRAINING: WorkerState.DRAINING,
    worker_pb2.WORKER_STATE_LOST: WorkerState.LOST,
}

HOLD_TYPES: Final[Mapping[job_service_pb2.HoldType.ValueType, HoldType]] = {
    job_service_pb2.HOLD_TYPE_NOT_DUE: HoldType.NOT_DUE,
    job_service_pb2.HOLD_TYPE_BACKING_OFF: HoldType.BACKING_OFF,
    job_service_pb2.HOLD_TYPE_QUEUE_PAUSED: HoldType.QUEUE_PAUSED,
    job_service_pb2.HOLD_TYPE_QUEUE_CONCURRENCY: HoldType.QUEUE_CONCURRENCY,
    job_service_pb2.HOLD_TYPE_QUEUE_RATE: HoldType.QUEUE_RATE,
    job_service_pb2.HOLD_TYPE_KEY_CONCURRENCY: HoldType.KEY_CONCURRENCY,
    job_service_pb2.HOLD_TYPE_ORDERING_KEY: HoldType.ORDERING_KEY,
    job_service_pb2.HOLD_TYPE_NO_WORKER_FOR_QUEUE: HoldType.NO_WORKER_FOR_QUEUE,
    job_service_pb2.HOLD_TYPE_NO_WORKER_FOR_KIND: HoldType.NO_WORKER_FOR_KIND,
    job_service_pb2.HOLD_TYPE_WORKERS_BUSY: HoldType.WORKERS_BUSY,
    job_service_pb2.HOLD_TYPE_JOBS_AHEAD: HoldType.JOBS_AHEAD,
    job_service_pb2.HOLD_TYPE_LEASED: HoldType.LEASED,
    job_service_pb2.HOLD_TYPE_TERMINAL: HoldType.TERMINAL,
    job_service_pb2.HOLD_TYPE_EXPIRED: HoldType.EXPIRED,
}


def number_of(table: Mapping[_Number, _Member], member: _Member) -> _Number:
    """Look a member's number up. Raises ValueError for one that can't be sent, such as UNKNOWN."""
    for number, known in table.items():
        if known == member:
            return number
    raise ValueError(f"{member!r} can't be sent; one of {', '.join(table.values())} can")
