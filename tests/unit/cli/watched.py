"""What a watch gives, for the tests of how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gosynq.v1 import job_pb2
from gosynq_client import EventType, JobEvent, JobProgress, JobStatus, Priority
from gosynq_client.replies import read_job

AT = datetime(2030, 1, 31, 12, 0, 0, 123_000, tzinfo=UTC)
CREATED = JobEvent(
    event_id="event-1",
    type=EventType.CREATED,
    job_id="job-1",
    queue="mail",
    kind="send_email",
    status=JobStatus.PENDING,
    priority=Priority.HIGH,
    attempt=0,
    timestamp=AT,
    worker_id="",
    error="",
    error_type="",
    will_retry=False,
    next_run_at=None,
    progress=None,
    payload=None,
    labels={"tenant": "acme"},
    revision=1,
)
FAILED = replace(
    CREATED,
    type=EventType.FAILED,
    attempt=2,
    error_type="LookupError",
    error="no\nsuch address",
    will_retry=True,
    next_run_at=AT + timedelta(minutes=1),
)
PROGRESS = replace(
    CREATED,
    type=EventType.PROGRESS,
    status=JobStatus.PROCESSING,
    attempt=1,
    progress=JobProgress(current=3, total=10, message="half-way", updated_at=AT),
)
JOB = read_job(job_pb2.Job(id="job-2", queue="mail", kind="send_email", status=job_pb2.JOB_STATUS_PENDING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A place in a watch."""

    cursor: str | None = "c1"
    server_time: datetime | None = AT
