"""What happens to jobs, as plain values: events, and the parts of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from gosynq_client.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gosynq_client.jobs import JobProgress, JobStatus, JsonObject, Priority


class EventType(StrEnum):
    """What happened to a job; UNKNOWN is something that this client is too old to know."""

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
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """One thing that happened to one job; JobEvent in the contract tells which type fills in what.

    `status`, `attempt` and `revision` are the job's after the event, and `revision` rises from event to event of one
    job. `payload` is the job's payload, or its result where it succeeded, if it was asked for and is a JSON object.
    `timestamp` is when it happened, which is not the order: that is the order of delivery. Moments are in UTC.
    """

    event_id: str
    type: EventType
    job_id: str
    queue: str
    kind: str
    status: JobStatus
    priority: Priority
    attempt: int
    timestamp: datetime
    worker_id: str
    error: str
    error_type: str
    will_retry: bool
    next_run_at: datetime | None
    progress: JobProgress | None
    payload: JsonObject | None
    labels: Mapping[str, str]
    revision: int


@dataclass(frozen=True, slots=True)
class SnapshotBegun:
    """The jobs of a snapshot follow; what is known from before is to be forgotten.

    It comes again where the connection was lost before the snapshot was complete.
    """


@dataclass(frozen=True, slots=True)
class SnapshotComplete:
    """All jobs of the snapshot have come: a job that was not among them is terminal or gone."""


WatchItem: TypeAlias = JobEvent | SnapshotBegun | Job | SnapshotComplete
