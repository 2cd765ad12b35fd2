"""Leases, results and what else passes between a worker and the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq.v1 import job_pb2, worker_pb2, worker_service_pb2
from gosynq_client.worker.leases import RefusalReason
from gosynq_client.worker.outcomes import (
    AttemptError,
    Cancelled,
    Failed,
    Outcome,
    Released,
    Snoozed,
    Succeeded,
)
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.job import JSON_CONTENT_TYPE, Priority
from gosynq_server.domain.lease_names import LeaseRef, RemoteProgress, lease_token, parse_lease
from gosynq_server.domain.worker import Ack, LeaseStatus, Subscription, WorkerMake, WorkerProfile
from gosynq_server.rpc.convert import PRIORITY_NUMBERS, STATUS_NUMBERS, duration, length_of, text_of, timestamp
from gosynq_server.rpc.convert_content import checked_json, json_of
from gosynq_server.service.work_session import valid_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from gosynq_client.worker.leases import Lease

_RESULT_STATUSES = {
    None: worker_pb2.RESULT_STATUS_APPLIED,
    RefusalReason.ALREADY_APPLIED: worker_pb2.RESULT_STATUS_ALREADY_APPLIED,
    RefusalReason.LEASE_LOST: worker_pb2.RESULT_STATUS_LEASE_LOST,
    RefusalReason.INVALID: worker_pb2.RESULT_STATUS_INVALID,
}


def profile_of(said: worker_service_pb2.WorkerHello | worker_service_pb2.LeaseJobsRequest) -> WorkerProfile:
    """Return who a worker says that it is, and what it takes."""
    has_duration = said.HasField("lease_duration")
    return WorkerProfile(
        worker_id=said.worker_id,
        subscriptions=tuple(map(_subscription_of, said.queues)),
        kinds=tuple(dict.fromkeys(text_of(kind, f"kinds[{index}]") for index, kind in enumerate(said.kinds))),
        lease_duration=length_of(said.lease_duration, "lease_duration") if has_duration else None,
        make=_make_of(said.runtime) if isinstance(said, worker_service_pb2.WorkerHello) else WorkerMake(),
    )


def _make_of(said: worker_pb2.WorkerRuntime) -> WorkerMake:
    return WorkerMake(
        sdk=text_of(said.sdk, "runtime.sdk"),
        language=text_of(said.language, "runtime.language"),
        build=text_of(said.build, "runtime.build"),
        host=text_of(said.host, "runtime.host"),
    )


def _subscription_of(said: worker_pb2.QueueSubscription) -> Subscription:
    limit = said.max_in_flight if said.HasField("max_in_flight") else None
    return Subscription(queue=said.queue, weight=said.weight or 1, max_in_flight=limit)


def lease_of(said: Any, path: str = "") -> LeaseRef:
    """Return the lease that a message with job_id and lease_token names; ValidationFailed for a token that is none."""
    return parse_lease(parse_job_id(said.job_id), said.lease_token, field=_under(path, "lease_token"))


def leases_of(said: Iterable[worker_pb2.LeaseRef], path: str) -> list[LeaseRef]:
    """Return the leases that are named."""
    return [lease_of(lease, f"{path}[{index}]") for index, lease in enumerate(said)]


def lease_message(lease: Lease, worker_id: str) -> worker_pb2.Lease:
    """Return a lease as its worker gets it."""
    lasts = valid_for(lease)
    deadline = None if lease.attempt_timeout is None else lease.leased_at + lease.attempt_timeout
    return worker_pb2.Lease(
        job=_job_message(lease, worker_id, lasts),
        lease_token=lease.lease_token,
        lease_sequence=lease.lease_seq,
        expires_at=timestamp(lease.leased_at + lasts),
        valid_for=duration(lasts),
        attempt_deadline=timestamp(deadline),
    )


def _job_message(lease: Lease, worker_id: str, lasts: timedelta) -> job_pb2.Job:
    leased_at = timestamp(lease.leased_at)
    return job_pb2.Job(
        id=lease.job_id,
        queue=lease.queue,
        kind=lease.kind,
        status=job_pb2.JOB_STATUS_PROCESSING,
        priority=PRIORITY_NUMBERS[Priority(lease.priority)],
        payload_bytes=lease.payload,
        content_type=lease.content_type,
        max_retries=lease.max_retries,
        attempt=lease.attempt,
        run_at=timestamp(lease.run_at),
        created_at=timestamp(lease.created_at),
        started_at=leased_at,
        labels=lease.labels or None,
        headers=lease.headers or None,
        locked_by=worker_id,
        locked_at=leased_at,
        lease_expires_at=timestamp(lease.leased_at + lasts),
        lease_duration=duration(lease.lease_duration),
        attempt_timeout=duration(lease.attempt_timeout),
    )


def ref_message(lease: LeaseRef) -> worker_pb2.LeaseRef:
    """Return a lease by its name."""
    return worker_pb2.LeaseRef(job_id=lease.job_id, lease_token=lease_token(lease.queue, lease.lease_seq))


def status_message(status: LeaseStatus) -> worker_pb2.LeaseStatus:
    """Return what became of a lease."""
    holds = status.expires_at is not None
    return worker_pb2.LeaseStatus(
        job_id=status.lease.job_id,
        lease_token=lease_token(status.lease.queue, status.lease.lease_seq),
        state=worker_pb2.LEASE_STATE_ACTIVE if holds else worker_pb2.LEASE_STATE_LOST,
        expires_at=timestamp(status.expires_at),
        valid_for=duration(status.valid_for),
        cancel_requested=status.cancel_requested,
    )


def ack_message(ack: Ack) -> worker_pb2.JobResultAck:
    """Return what became of a result."""
    return worker_pb2.JobResultAck(
        lease=ref_message(ack.lease),
        status=_RESULT_STATUSES[ack.refused],
        job_status=STATUS_NUMBERS[ack.job_status] if ack.job_status else job_pb2.JOB_STATUS_UNSPECIFIED,
    )


def outcome_of(said: worker_pb2.JobResult) -> Outcome:
    """Return how an attempt ended; ValidationFailed names what is wrong with it."""
    match said.WhichOneof("outcome"):
        case "success":
            return success_of(said.success, "success")
        case "failure":
            return failure_of(said.failure, "failure")
        case "snooze":
            return Snoozed(delay=length_of(said.snooze.delay, "snooze.delay"))
        case "cancelled":
            return Cancelled(message=said.cancelled.message)
        case _:
            return Released()


def success_of(said: worker_pb2.JobSuccess | worker_service_pb2.CompleteJobRequest, path: str) -> Succeeded:
    """Return what an attempt returned."""
    match said.WhichOneof("output"):
        case "result":
            return Succeeded(result=json_of(said.result, _under(path, "result")), content_type=JSON_CONTENT_TYPE)
        case "result_bytes" if said.result_content_type == JSON_CONTENT_TYPE:
            content = checked_json(said.result_bytes, _under(path, "result_bytes"))
            return Succeeded(result=content, content_type=JSON_CONTENT_TYPE)
        case "result_bytes":
            content_type = text_of(said.result_content_type, _under(path, "result_content_type"))
            return Succeeded(result=said.result_bytes, content_type=content_type)
        case _:
            return Succeeded()


def failure_of(said: worker_pb2.JobFailure | worker_service_pb2.FailJobRequest, path: str) -> Failed:
    """Return why an attempt failed."""
    error = said.error
    details = json_of(error.details, _under(path, "error.details")) if error.HasField("details") else None
    told = AttemptError(
        type=error.type,
        message=error.message,
        stack_trace=error.stack_trace,
        non_retryable=error.non_retryable,
        details=details,
    )
    retry_after = length_of(said.retry_after, _under(path, "retry_after")) if said.HasField("retry_after") else None
    return Failed(error=told, retry_after=retry_after)


def progress_of(lease: LeaseRef, said: job_pb2.JobProgress) -> RemoteProgress:
    """Return how far an attempt is."""
    return RemoteProgress(lease=lease, current=said.current, total=said.total, message=said.message)


def progresses_of(said: worker_service_pb2.ProgressReport) -> list[RemoteProgress]:
    """Return how far several attempts are."""
    return [
        progress_of(lease_of(report.lease, f"progress.reports[{index}].lease"), report.progress)
        for index, report in enumerate(said.reports)
    ]


def _under(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
