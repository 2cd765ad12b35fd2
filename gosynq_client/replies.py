"""Reads the client's values out of what a server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_client import content
from gosynq_client.enums import EVENT_TYPES, HOLD_TYPES, OUTCOMES, PRIORITIES, STATUSES, STRATEGIES
from gosynq_client.events import EventType, JobEvent
from gosynq_client.explanation import Explanation, HoldReason, HoldType
from gosynq_client.jobs import (
    Attempt,
    AttemptOutcome,
    BackoffStrategy,
    EnqueuedJob,
    Job,
    JobError,
    JobProgress,
    JobStatus,
    Priority,
    RetryPolicy,
)
from gosynq_client.server_info import ServerInfo
from gosynq_client.times import moment_of

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from google.protobuf.message import Message

    from gosynq.v1 import admin_service_pb2, event_pb2, job_pb2, job_service_pb2
    from gosynq_client.jobs import Content


def read_job(message: job_pb2.Job) -> Job:
    """Read a job. What the server left out is None, or the zero value where a job always has it."""
    return Job(
        id=message.id,
        queue=message.queue,
        kind=message.kind,
        status=STATUSES.get(message.status, JobStatus.UNKNOWN),
        priority=PRIORITIES.get(message.priority, Priority.UNKNOWN),
        payload=_payload(message),
        content_type=message.content_type,
        max_retries=message.max_retries,
        max_deliveries=message.max_deliveries,
        attempt=message.attempt,
        retry_policy=read_retry_policy(message.retry_policy),
        run_at=moment_of(message.run_at),
        created_at=moment_of(message.created_at),
        updated_at=moment_of(message.updated_at),
        started_at=moment_if_set(message, "started_at"),
        finished_at=moment_if_set(message, "finished_at"),
        expires_at=moment_if_set(message, "expires_at"),
        idempotency_key=message.idempotency_key,
        labels=dict(message.labels),
        headers=dict(message.headers),
        locked_by=message.locked_by,
        locked_at=moment_if_set(message, "locked_at"),
        lease_expires_at=moment_if_set(message, "lease_expires_at"),
        lease_duration=message.lease_duration.ToTimedelta(),
        attempt_timeout=length_if_set(message, "attempt_timeout"),
        retention=message.retention.ToTimedelta(),
        progress=_progress(message.progress) if message.HasField("progress") else None,
        result=_result(message),
        result_content_type=message.result_content_type,
        last_error=_job_error(message.last_error) if message.HasField("last_error") else None,
        cancel_requested_at=moment_if_set(message, "cancel_requested_at"),
        dead_lettered_at=moment_if_set(message, "dead_lettered_at"),
        schedule_id=message.schedule_id,
        revision=message.revision,
        concurrency_key=message.concurrency_key,
        ordering_key=message.ordering_key,
        fairness_key=message.fairness_key,
    )


def read_attempt(message: job_pb2.JobAttempt) -> Attempt:
    """Read an attempt."""
    return Attempt(
        lease_sequence=message.lease_sequence,
        attempt=message.attempt,
        worker_id=message.worker_id,
        started_at=moment_of(message.started_at),
        finished_at=moment_if_set(message, "finished_at"),
        outcome=OUTCOMES.get(message.outcome, AttemptOutcome.UNKNOWN),
        error=_job_error(message.error) if message.HasField("error") else None,
    )


def read_enqueued(message: job_service_pb2.EnqueueJobResponse) -> EnqueuedJob:
    """Read what an enqueue came to."""
    return EnqueuedJob(
        id=message.job_id,
        status=STATUSES.get(message.status, JobStatus.UNKNOWN),
        deduplicated=message.deduplicated,
        job=read_job(message.job) if message.HasField("job") else None,
        cursor=message.cursor or None,
    )


def read_event(message: event_pb2.JobEvent) -> JobEvent:
    """Read an event."""
    return JobEvent(
        event_id=message.event_id,
        type=EVENT_TYPES.get(message.type, EventType.UNKNOWN),
        job_id=message.job_id,
        queue=message.queue,
        kind=message.kind,
        status=STATUSES.get(message.status, JobStatus.UNKNOWN),
        priority=PRIORITIES.get(message.priority, Priority.UNKNOWN),
        attempt=message.attempt,
        timestamp=moment_of(message.timestamp),
        worker_id=message.worker_id,
        error=message.error,
        error_type=message.error_type,
        will_retry=message.will_retry,
        next_run_at=moment_if_set(message, "next_run_at"),
        progress=_progress(message.progress) if message.HasField("progress") else None,
        payload=content.plain_object(message.payload) if message.HasField("payload") else None,
        labels=dict(message.labels),
        revision=message.revision,
    )


def read_server_info(message: admin_service_pb2.GetServerInfoResponse) -> ServerInfo:
    """Read what a server says about itself."""
    return ServerInfo(
        version=message.version,
        server_id=message.server_id,
        server_time=moment_of(message.server_time),
        max_message_bytes=message.max_message_bytes,
        max_payload_bytes=message.max_payload_bytes,
        idempotency_window=message.idempotency_window.ToTimedelta(),
        event_retention=message.event_retention.ToTimedelta(),
        features=tuple(message.features),
    )


def read_retry_policy(message: job_pb2.RetryPolicy) -> RetryPolicy:
    """Read how long to wait between attempts; what is not said is None."""
    return RetryPolicy(
        strategy=STRATEGIES.get(message.strategy, BackoffStrategy.UNKNOWN) if message.strategy else None,
        initial_backoff=length_if_set(message, "initial_backoff"),
        multiplier=message.multiplier if message.HasField("multiplier") else None,
        max_backoff=length_if_set(message, "max_backoff"),
        jitter=message.jitter if message.HasField("jitter") else None,
    )


def moment_if_set(message: Message, field: str) -> datetime | None:
    """Read a field that holds a moment; None where it is not set."""
    return moment_of(getattr(message, field)) if message.HasField(field) else None


def length_if_set(message: Message, field: str) -> timedelta | None:
    """Read a field that holds a length of time; None where it is not set."""
    if not message.HasField(field):
        return None
    length: timedelta = getattr(message, field).ToTimedelta()
    return length


def read_explanation(message: job_service_pb2.ExplainJobResponse) -> Explanation:
    """Read why a job is not running."""
    return Explanation(
        status=STATUSES.get(message.status, JobStatus.UNKNOWN),
        reasons=tuple(
            HoldReason(
                type=HOLD_TYPES.get(reason.type, HoldType.UNKNOWN),
                message=reason.message,
                until=moment_if_set(reason, "until"),
                count=reason.count,
                limit=reason.limit,
                worker_id=reason.worker_id,
            )
            for reason in message.reasons
        ),
    )


def _payload(message: job_pb2.Job) -> Content | None:
    match message.WhichOneof("content"):
        case "payload":
            return content.plain_object(message.payload)
        case "payload_bytes":
            return content.decode(message.payload_bytes, message.content_type)
        case _:
            return None


def _result(message: job_pb2.Job) -> Content | None:
    match message.WhichOneof("output"):
        case "result":
            return content.plain_object(message.result)
        case "result_bytes":
            return content.decode(message.result_bytes, message.result_content_type)
        case _:
            return None


def _progress(message: job_pb2.JobProgress) -> JobProgress:
    return JobProgress(
        current=message.current,
        total=message.total,
        message=message.message,
        updated_at=moment_if_set(message, "updated_at"),
    )


def _job_error(message: job_pb2.JobError) -> JobError:
    return JobError(
        type=message.type,
        message=message.message,
        stack_trace=message.stack_trace,
        non_retryable=message.non_retryable,
        details=content.plain_object(message.details) if message.HasField("details") else None,
        attempt=message.attempt,
        occurred_at=moment_if_set(message, "occurred_at"),
    )
