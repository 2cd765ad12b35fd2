"""Messages of the Work stream, made of a worker's values and the other way round."""

from __future__ import annotations

import json
import logging
import platform
import socket
from datetime import timedelta
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, assert_never

from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.struct_pb2 import Struct

from gosynq.v1 import job_pb2, worker_pb2
from gosynq.v1.worker_service_pb2 import JobProgressReport, JobResults, WorkerHello, WorkRequest
from gosynq_client.times import moment_of
from gosynq_client.worker.leases import Extension, Lease, LeaseState, Refusal, RefusalReason
from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed, Released, Snoozed, Succeeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gosynq_client.remote.subscriptions import Profile, QueueSubscription
    from gosynq_client.worker.leases import ProgressReport, Result

logger = logging.getLogger(__name__)

MOST_IN_FLIGHT = 1000
"""What one message of the contract names at most, and so how many leases may be open."""

_MAX_RESULT_BYTES = 3 * 1024 * 1024
_GROUP_BYTES = 1024 * 1024
_RESULTS_AT_ONCE = 500
_MAX_STACK_BYTES = 32_768
_MAX_MESSAGE = 8_192
_MAX_TYPE = 255
_REFUSALS = {
    worker_pb2.RESULT_STATUS_ALREADY_APPLIED: RefusalReason.ALREADY_APPLIED,
    worker_pb2.RESULT_STATUS_LEASE_LOST: RefusalReason.LEASE_LOST,
    worker_pb2.RESULT_STATUS_INVALID: RefusalReason.INVALID,
}


def hello_message(profile: Profile, *, held: Iterable[Lease], max_in_flight: int) -> WorkerHello:
    """Return what opens a session; of more leases than a hello can name, the others are left to the heartbeats."""
    runtime = worker_pb2.WorkerRuntime(
        sdk=f"gosynq-python {version('gosynq')}",
        language=f"python {platform.python_version()}",
        build=profile.build,
        host=socket.gethostname()[:255],
    )
    return WorkerHello(
        worker_id=profile.worker_id,
        queues=map(_subscription_message, profile.queues),
        kinds=profile.kinds,
        max_in_flight=min(max_in_flight, MOST_IN_FLIGHT),
        runtime=runtime,
        held_leases=map(ref_message, islice(held, MOST_IN_FLIGHT)),
    )


def _subscription_message(subscription: QueueSubscription) -> worker_pb2.QueueSubscription:
    return worker_pb2.QueueSubscription(
        queue=subscription.queue, weight=subscription.weight, max_in_flight=subscription.max_in_flight
    )


def ref_message(lease: Lease) -> worker_pb2.LeaseRef:
    """Return a lease by its name."""
    return worker_pb2.LeaseRef(job_id=lease.job_id, lease_token=lease.lease_token)


def lease_of(message: worker_pb2.Lease) -> Lease:
    """Return a lease as the runtime takes it."""
    job = message.job
    return Lease(
        job_id=job.id,
        queue=job.queue,
        kind=job.kind,
        priority=job.priority,
        lease_seq=message.lease_sequence,
        lease_token=message.lease_token,
        attempt=job.attempt,
        payload=job.payload_bytes,
        content_type=job.content_type,
        labels=dict(job.labels),
        headers=dict(job.headers),
        max_retries=job.max_retries,
        created_at=moment_of(job.created_at),
        run_at=moment_of(job.run_at),
        leased_at=moment_of(job.locked_at),
        lease_duration=message.valid_for.ToTimedelta(),
        attempt_timeout=job.attempt_timeout.ToTimedelta() if job.HasField("attempt_timeout") else None,
    )


def result_message(result: Result) -> worker_pb2.JobResult:
    """Return what an attempt came to; ValueError for a result that is larger than any server takes."""
    message = worker_pb2.JobResult(lease=ref_message(result.lease))
    match result.outcome:
        case Succeeded():
            message.success.CopyFrom(_success_message(result.outcome))
        case Failed(error=error, retry_after=retry_after):
            message.failure.error.CopyFrom(_error_message(error))
            if retry_after is not None:
                message.failure.retry_after.FromTimedelta(max(retry_after, timedelta()))
        case Snoozed(delay=delay):
            message.snooze.delay.FromTimedelta(max(delay, timedelta()))
        case Released():
            message.release.SetInParent()
        case Cancelled(message=text):
            message.cancelled.message = _told(text)[:1024]
        case _:
            assert_never(result.outcome)
    return message


def fitting(results: Iterable[worker_pb2.JobResult]) -> Iterator[list[worker_pb2.JobResult]]:
    """Give results in groups, none of them with more than a message holds."""
    group: list[worker_pb2.JobResult] = []
    size = 0
    for result in results:
        weight = result.ByteSize()
        if group and (size + weight > _GROUP_BYTES or len(group) == _RESULTS_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(result)
        size += weight
    if group:
        yield group


def _success_message(succeeded: Succeeded) -> worker_pb2.JobSuccess:
    content = succeeded.result
    if content is None:
        return worker_pb2.JobSuccess()
    if len(content) > _MAX_RESULT_BYTES:
        raise ValueError(f"the result has {len(content)} bytes; no server takes more than {_MAX_RESULT_BYTES}")
    return worker_pb2.JobSuccess(result_bytes=content, result_content_type=succeeded.content_type)


def _error_message(error: AttemptError) -> job_pb2.JobError:
    return job_pb2.JobError(
        type=_told(error.type)[:_MAX_TYPE],
        message=_told(error.message)[:_MAX_MESSAGE],
        stack_trace=_told(error.stack_trace).encode()[-_MAX_STACK_BYTES:].decode(errors="ignore"),
        non_retryable=error.non_retryable,
        details=None if error.details is None else _details_message(error.details),
    )


def _details_message(details: bytes) -> Struct | None:
    """Return details as a message holds them; without those that nest deeper the error is as good, and is told."""
    try:
        read = Struct()
        read.update(json.loads(details))
        # A reader counts the levels of what it is in as well.
        nested = job_pb2.JobError(details=read)
        WorkRequest.FromString(
            WorkRequest(
                results=JobResults(results=[worker_pb2.JobResult(failure=worker_pb2.JobFailure(error=nested))])
            ).SerializeToString()
        )
    except (ValueError, RecursionError, DecodeError, EncodeError) as problem:
        logger.warning("details of an error left out, a message can't hold them", extra={"problem": str(problem)})
        return None
    return read


def _told(text: str) -> str:
    """Return a text as a message can hold it: lone surrogates are replaced."""
    return text.encode("utf-8", "replace").decode()


def refusal_of(ack: worker_pb2.JobResultAck, lease: Lease) -> Refusal | None:
    """Return why a result was refused; None for one that was applied."""
    reason = _REFUSALS.get(ack.status)
    return None if reason is None else Refusal(lease=lease, reason=reason, message=ack.message)


def extension_of(status: worker_pb2.LeaseStatus, lease: Lease) -> Extension:
    """Return what became of a lease that was to be extended."""
    held = status.state == worker_pb2.LEASE_STATE_ACTIVE
    return Extension(
        lease=lease,
        state=LeaseState.ACTIVE if held else LeaseState.LOST,
        cancel_requested=status.cancel_requested,
    )


def progress_message(report: ProgressReport) -> JobProgressReport:
    """Return how far an attempt is."""
    progress = job_pb2.JobProgress(
        current=max(report.current, 0), total=max(report.total, 0), message=_told(report.message)[:1024]
    )
    return JobProgressReport(lease=ref_message(report.lease), progress=progress)
