"""The life of a job as one table: from which status which event leads where."""

from __future__ import annotations

from enum import StrEnum

from gosynq_server.domain.job import JobStatus


class EventType(StrEnum):
    """What happened to a job."""

    CREATED = "created"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CANCEL_REQUESTED = "cancel_requested"
    DEAD_LETTERED = "dead_lettered"
    REQUEUED = "requeued"
    PROGRESS = "progress"
    DELETED = "deleted"


_PENDING, _PROCESSING = JobStatus.PENDING, JobStatus.PROCESSING
_COMPLETED, _FAILED, _CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED

TRANSITIONS: dict[JobStatus | None, dict[EventType, frozenset[JobStatus | None]]] = {
    None: {EventType.CREATED: frozenset({_PENDING})},
    _PENDING: {
        EventType.STARTED: frozenset({_PROCESSING}),
        EventType.CANCELLED: frozenset({_CANCELLED}),
        EventType.REQUEUED: frozenset({_PENDING}),
        EventType.DELETED: frozenset({None}),
    },
    _PROCESSING: {
        EventType.SUCCEEDED: frozenset({_COMPLETED}),
        EventType.FAILED: frozenset({_PENDING, _FAILED}),
        EventType.CANCELLED: frozenset({_CANCELLED}),
        EventType.CANCEL_REQUESTED: frozenset({_PROCESSING}),
        EventType.REQUEUED: frozenset({_PENDING}),
        EventType.PROGRESS: frozenset({_PROCESSING}),
        EventType.DELETED: frozenset({None}),
    },
    _COMPLETED: {EventType.DELETED: frozenset({None})},
    _FAILED: {
        EventType.DEAD_LETTERED: frozenset({_FAILED}),
        EventType.REQUEUED: frozenset({_PENDING}),
        EventType.DELETED: frozenset({None}),
    },
    _CANCELLED: {EventType.REQUEUED: frozenset({_PENDING}), EventType.DELETED: frozenset({None})},
}
"""Before, event, and the statuses that may follow; None stands for no job."""

TERMINAL = frozenset({_COMPLETED, _FAILED, _CANCELLED})


def may_follow(before: JobStatus | None, event: EventType, after: JobStatus | None) -> bool:
    """Say whether a job in one status may be in another after an event."""
    return after in TRANSITIONS[before].get(event, frozenset())
