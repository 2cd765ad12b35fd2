from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import admin_service_pb2, event_pb2, job_pb2, job_service_pb2
from gosynq_client import (
    Attempt,
    AttemptOutcome,
    BackoffStrategy,
    EnqueuedJob,
    EventType,
    Job,
    JobError,
    JobEvent,
    JobProgress,
    JobStatus,
    Priority,
    RetryPolicy,
    ServerInfo,
)
from gosynq_client.replies import read_attempt, read_enqueued, read_event, read_job, read_server_info

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(second: int) -> Timestamp:
    return Timestamp(seconds=second)


def moment(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


def struct(**fields: float) -> Struct:
    message = Struct()
    message.update(fields)
    return message


MESSAGE = job_pb2.Job(
    id="job-1",
    queue="mail",
    kind="send_email",
    status=job_pb2.JOB_STATUS_FAILED,
    priority=job_pb2.JOB_PRIORITY_CRITICAL,
    payload_bytes=b'{"to":"a"}',
    content_type="application/json",
    max_retries=1,
    max_deliveries=2,
    attempt=3,
    retry_policy=job_pb2.RetryPolicy(
        strategy=job_pb2.BACKOFF_STRATEGY_EXPONENTIAL,
        initial_backoff=Duration(seconds=5),
        multiplier=2,
        max_backoff=Duration(seconds=3600),
        jitter=0.2,
    ),
    run_at=at(1),
    created_at=at(2),
    updated_at=at(3),
    started_at=at(4),
    finished_at=at(5),
    expires_at=at(6),
    idempotency_key="key",
    labels={"tenant": "acme"},
    headers={"traceparent": "00"},
    locked_by="worker-1",
    locked_at=at(7),
    lease_expires_at=at(8),
    lease_duration=Duration(seconds=30),
    attempt_timeout=Duration(seconds=60),
    retention=Duration(seconds=90),
    progress=job_pb2.JobProgress(current=1, total=2, message="half", updated_at=at(9)),
    result_bytes=b"\x00",
    result_content_type="image/png",
    last_error=job_pb2.JobError(
        type="Smtp",
        message="refused",
        stack_trace="...",
        non_retryable=True,
        details=struct(code=550),
        attempt=3,
        occurred_at=at(10),
    ),
    cancel_requested_at=at(11),
    dead_lettered_at=at(12),
    schedule_id="schedule-1",
    revision=13,
    concurrency_key="acme",
    ordering_key="account-1",
    fairness_key="gold",
)
JOB = Job(
    id="job-1",
    queue="mail",
    kind="send_email",
    status=JobStatus.FAILED,
    priority=Priority.CRITICAL,
    payload={"to": "a"},
    content_type="application/json",
    max_retries=1,
    max_deliveries=2,
    attempt=3,
    retry_policy=RetryPolicy(
        strategy=BackoffStrategy.EXPONENTIAL,
        initial_backoff=timedelta(seconds=5),
        multiplier=2,
        max_backoff=timedelta(hours=1),
        jitter=0.2,
    ),
    run_at=moment(1),
    created_at=moment(2),
    updated_at=moment(3),
    started_at=moment(4),
    finished_at=moment(5),
    expires_at=moment(6),
    idempotency_key="key",
    labels={"tenant": "acme"},
    headers={"traceparent": "00"},
    locked_by="worker-1",
    locked_at=moment(7),
    lease_expires_at=moment(8),
    lease_duration=timedelta(seconds=30),
    attempt_timeout=timedelta(seconds=60),
    retention=timedelta(seconds=90),
    progress=JobProgress(current=1, total=2, message="half", updated_at=moment(9)),
    result=b"\x00",
    result_content_type="image/png",
    last_error=JobError(
        type="Smtp",
        message="refused",
        stack_trace="...",
        non_retryable=True,
        details={"code": 550},
        attempt=3,
        occurred_at=moment(10),
    ),
    cancel_requested_at=moment(11),
    dead_lettered_at=moment(12),
    schedule_id="schedule-1",
    revision=13,
    concurrency_key="acme",
    ordering_key="account-1",
    fairness_key="gold",
)


def test_a_whole_job_is_read_field_by_field() -> None:
    assert read_job(MESSAGE) == JOB


def test_what_a_job_does_not_have_is_none() -> None:
    job = read_job(job_pb2.Job(status=job_pb2.JOB_STATUS_PENDING))

    assert (job.payload, job.result, job.progress, job.last_error, job.attempt_timeout) == (None,) * 5
    assert (job.started_at, job.finished_at, job.expires_at, job.locked_at, job.lease_expires_at) == (None,) * 5
    assert (job.cancel_requested_at, job.dead_lettered_at) == (None, None)


def test_payload_and_result_are_read_from_structs_as_well() -> None:
    job = read_job(job_pb2.Job(payload=struct(n=1), result=struct(ok=True)))

    assert (job.payload, job.result) == ({"n": 1}, {"ok": True})


def test_a_status_and_a_priority_of_a_newer_server_are_unknown() -> None:
    message = job_pb2.Job.FromString(bytes([4 << 3, 99, 5 << 3, 99]))

    job = read_job(message)

    assert (job.status, job.priority) == (JobStatus.UNKNOWN, Priority.UNKNOWN)
    assert not job.done


def test_a_job_is_done_in_its_three_last_statuses() -> None:
    done = {
        status
        for number, status in zip(range(1, 6), JobStatus, strict=False)
        if read_job(job_pb2.Job.FromString(bytes([4 << 3, number]))).done
    }

    assert done == {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


def test_an_attempt_that_failed_tells_why() -> None:
    message = job_pb2.JobAttempt(
        lease_sequence=3,
        attempt=2,
        worker_id="worker-1",
        started_at=at(1),
        finished_at=at(2),
        outcome=job_pb2.ATTEMPT_OUTCOME_TIMED_OUT,
        error=job_pb2.JobError(type="Timeout"),
    )

    assert read_attempt(message) == Attempt(
        lease_sequence=3,
        attempt=2,
        worker_id="worker-1",
        started_at=moment(1),
        finished_at=moment(2),
        outcome=AttemptOutcome.TIMED_OUT,
        error=JobError(
            type="Timeout",
            message="",
            stack_trace="",
            non_retryable=False,
            details=None,
            attempt=0,
            occurred_at=None,
        ),
    )


def test_an_attempt_that_runs_has_no_end() -> None:
    attempt = read_attempt(job_pb2.JobAttempt())

    assert (attempt.outcome, attempt.finished_at, attempt.error) == (AttemptOutcome.RUNNING, None, None)


def test_an_outcome_of_a_newer_server_is_unknown() -> None:
    assert read_attempt(job_pb2.JobAttempt.FromString(bytes([6 << 3, 99]))).outcome is AttemptOutcome.UNKNOWN


def test_an_enqueued_job_is_read_with_and_without_the_job_itself() -> None:
    bare = job_service_pb2.EnqueueJobResponse(job_id="1", status=job_pb2.JOB_STATUS_PENDING, deduplicated=True)
    whole = job_service_pb2.EnqueueJobResponse(job_id="1", job=job_pb2.Job(id="1"), cursor="c1")

    assert read_enqueued(bare) == EnqueuedJob(
        id="1", status=JobStatus.PENDING, deduplicated=True, job=None, cursor=None
    )
    assert read_enqueued(whole) == EnqueuedJob(
        id="1", status=JobStatus.UNKNOWN, deduplicated=False, job=read_job(job_pb2.Job(id="1")), cursor="c1"
    )


EVENT = event_pb2.JobEvent(
    event_id="event-1",
    type=event_pb2.EVENT_TYPE_FAILED,
    job_id="job-1",
    queue="mail",
    kind="send_email",
    status=job_pb2.JOB_STATUS_PENDING,
    priority=job_pb2.JOB_PRIORITY_HIGH,
    attempt=2,
    timestamp=at(1),
    worker_id="worker-1",
    error="no such address",
    error_type="LookupError",
    will_retry=True,
    next_run_at=at(2),
    progress=job_pb2.JobProgress(current=1, total=3, message="one", updated_at=at(3)),
    payload=struct(n=1),
    labels={"tenant": "acme"},
    revision=4,
)


def test_an_event_is_read_field_by_field() -> None:
    assert read_event(EVENT) == JobEvent(
        event_id="event-1",
        type=EventType.FAILED,
        job_id="job-1",
        queue="mail",
        kind="send_email",
        status=JobStatus.PENDING,
        priority=Priority.HIGH,
        attempt=2,
        timestamp=moment(1),
        worker_id="worker-1",
        error="no such address",
        error_type="LookupError",
        will_retry=True,
        next_run_at=moment(2),
        progress=JobProgress(current=1, total=3, message="one", updated_at=moment(3)),
        payload={"n": 1},
        labels={"tenant": "acme"},
        revision=4,
    )


def test_what_an_event_does_not_tell_is_none() -> None:
    event = read_event(event_pb2.JobEvent(type=event_pb2.EVENT_TYPE_CREATED))

    assert (event.next_run_at, event.progress, event.payload) == (None, None, None)


def test_an_event_type_of_a_newer_server_is_unknown() -> None:
    assert read_event(event_pb2.JobEvent.FromString(bytes([2 << 3, 99]))).type is EventType.UNKNOWN


def test_a_server_is_read_field_by_field() -> None:
    message = admin_service_pb2.GetServerInfoResponse(
        version="1.2",
        server_id="server-1",
        server_time=at(1),
        max_message_bytes=2,
        max_payload_bytes=3,
        idempotency_window=Duration(seconds=4),
        event_retention=Duration(seconds=5),
        features=["a", "b"],
    )

    assert read_server_info(message) == ServerInfo(
        version="1.2",
        server_id="server-1",
        server_time=moment(1),
        max_message_bytes=2,
        max_payload_bytes=3,
        idempotency_window=timedelta(seconds=4),
        event_retention=timedelta(seconds=5),
        features=("a", "b"),
    )
