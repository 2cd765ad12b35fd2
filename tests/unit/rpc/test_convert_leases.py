"""Leases, results and profiles between the wire and the service, every field of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from gosynq.v1 import job_pb2, worker_pb2
from gosynq.v1.worker_service_pb2 import JobProgressReport, LeaseJobsRequest, ProgressReport, WorkerHello
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
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lease_names import LeaseRef, RemoteProgress
from gosynq_server.domain.worker import Ack, LeaseStatus, Subscription, WorkerProfile
from gosynq_server.rpc.convert import duration, timestamp
from gosynq_server.rpc.convert_leases import (
    ack_message,
    failure_of,
    lease_message,
    lease_of,
    leases_of,
    outcome_of,
    profile_of,
    progress_of,
    progresses_of,
    ref_message,
    status_message,
    success_of,
)
from tests.unit.rpc.factories import NOON, a_lease

ID = "0195e7a4-5a5a-7000-8000-000000000001"
REF = LeaseRef(job_id=ID, queue="mail", lease_seq=7)
REF_MESSAGE = worker_pb2.LeaseRef(job_id=ID, lease_token="7.mail")
SECOND = timedelta(seconds=1)


def struct(**values: Any) -> Struct:
    made = Struct()
    made.update(values)
    return made


@pytest.mark.parametrize("message", [WorkerHello, LeaseJobsRequest])
def test_a_profile_is_what_was_said(message: Any) -> None:
    said = message(
        worker_id="w-1",
        queues=[
            worker_pb2.QueueSubscription(queue="a"),
            worker_pb2.QueueSubscription(queue="b", weight=3, max_in_flight=0),
        ],
        kinds=["this", "that", "this"],
        lease_duration=Duration(seconds=9),
    )
    assert profile_of(said) == WorkerProfile(
        worker_id="w-1",
        subscriptions=(Subscription(queue="a"), Subscription(queue="b", weight=3, max_in_flight=0)),
        kinds=("this", "that"),
        lease_duration=9 * SECOND,
    )


def test_a_profile_without_kinds_takes_everything_for_as_long_as_the_jobs_say() -> None:
    assert profile_of(WorkerHello(worker_id="w-1")) == WorkerProfile(worker_id="w-1", subscriptions=())


def test_a_lease_has_everything_that_a_worker_needs() -> None:
    lease = a_lease(attempt_timeout=10 * SECOND)
    leased_at, ends_at = lease.leased_at, lease.leased_at + 25 * SECOND
    assert lease_message(lease, "w-1") == worker_pb2.Lease(
        job=job_pb2.Job(
            id=ID,
            queue="mail",
            kind="send_email",
            status=job_pb2.JOB_STATUS_PROCESSING,
            priority=job_pb2.JOB_PRIORITY_HIGH,
            payload_bytes=b'{"n":1}',
            content_type="application/json",
            max_retries=4,
            attempt=2,
            run_at=timestamp(NOON),
            created_at=timestamp(NOON),
            started_at=timestamp(leased_at),
            labels={"team": "a"},
            headers={"traceparent": "00-1"},
            locked_by="w-1",
            locked_at=timestamp(leased_at),
            lease_expires_at=timestamp(ends_at),
            lease_duration=duration(30 * SECOND),
            attempt_timeout=duration(10 * SECOND),
        ),
        lease_token="7.mail",
        lease_sequence=7,
        expires_at=timestamp(ends_at),
        valid_for=duration(25 * SECOND),
        attempt_deadline=timestamp(leased_at + 10 * SECOND),
    )


def test_a_lease_without_a_limit_on_its_attempt_has_no_deadline() -> None:
    message = lease_message(a_lease(), "w-1")
    assert not message.HasField("attempt_deadline")
    assert not message.job.HasField("attempt_timeout")


def test_a_lease_is_named_alike_both_ways() -> None:
    assert ref_message(REF) == REF_MESSAGE
    assert lease_of(REF_MESSAGE) == REF
    assert leases_of([REF_MESSAGE, REF_MESSAGE], "leases") == [REF, REF]


@pytest.mark.parametrize(
    ("lease", "field"),
    [
        (worker_pb2.LeaseRef(job_id="1", lease_token="7.mail"), "job_id"),
        (worker_pb2.LeaseRef(job_id=ID, lease_token="mail.7"), "lease_token"),
    ],
)
def test_a_lease_that_is_none_is_refused_by_its_field(lease: worker_pb2.LeaseRef, field: str) -> None:
    assert _refused(lambda: lease_of(lease)) == [field]


def test_a_token_that_is_none_is_refused_by_its_place() -> None:
    bad = worker_pb2.LeaseRef(job_id=ID, lease_token="q")
    report = JobProgressReport(lease=bad, progress=job_pb2.JobProgress())
    assert _refused(lambda: leases_of([REF_MESSAGE, bad], "leases")) == ["leases[1].lease_token"]
    assert _refused(lambda: progresses_of(ProgressReport(reports=[report]))) == [
        "progress.reports[0].lease.lease_token"
    ]


def test_a_lease_that_holds_says_until_when() -> None:
    status = LeaseStatus(lease=REF, expires_at=NOON, valid_for=9 * SECOND, cancel_requested=True)
    assert status_message(status) == worker_pb2.LeaseStatus(
        job_id=ID,
        lease_token="7.mail",
        state=worker_pb2.LEASE_STATE_ACTIVE,
        expires_at=timestamp(NOON),
        valid_for=duration(9 * SECOND),
        cancel_requested=True,
    )


def test_a_lease_that_is_gone_says_no_more() -> None:
    lost = worker_pb2.LeaseStatus(job_id=ID, lease_token="7.mail", state=worker_pb2.LEASE_STATE_LOST)
    assert status_message(LeaseStatus(lease=REF)) == lost


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (None, worker_pb2.RESULT_STATUS_APPLIED),
        (RefusalReason.ALREADY_APPLIED, worker_pb2.RESULT_STATUS_ALREADY_APPLIED),
        (RefusalReason.LEASE_LOST, worker_pb2.RESULT_STATUS_LEASE_LOST),
        (RefusalReason.INVALID, worker_pb2.RESULT_STATUS_INVALID),
    ],
)
@pytest.mark.parametrize(
    ("job_status", "told"),
    [(None, job_pb2.JOB_STATUS_UNSPECIFIED), (JobStatus.FAILED, job_pb2.JOB_STATUS_FAILED)],
)
def test_an_answer_to_a_result_says_what_became_of_it_and_of_its_job(
    refused: RefusalReason | None, status: Any, job_status: JobStatus | None, told: Any
) -> None:
    ack = ack_message(Ack(lease=REF, refused=refused, job_status=job_status))
    assert ack == worker_pb2.JobResultAck(lease=REF_MESSAGE, status=status, job_status=told)


JSON = "application/json"
FAILURE = worker_pb2.JobFailure(
    error=job_pb2.JobError(
        type="Boom", message="no luck", stack_trace="line 1", non_retryable=True, details=struct(a="b")
    ),
    retry_after=Duration(seconds=9),
)


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"success": worker_pb2.JobSuccess()}, Succeeded()),
        (
            {"success": worker_pb2.JobSuccess(result=struct(a="b"))},
            Succeeded(result=b'{"a":"b"}', content_type=JSON),
        ),
        (
            {"success": worker_pb2.JobSuccess(result_bytes=b"[1]", result_content_type=JSON)},
            Succeeded(result=b"[1]", content_type=JSON),
        ),
        (
            {"success": worker_pb2.JobSuccess(result_bytes=b"\0", result_content_type="a/b")},
            Succeeded(result=b"\0", content_type="a/b"),
        ),
        (
            {"success": worker_pb2.JobSuccess(result_bytes=b"", result_content_type="a/b")},
            Succeeded(result=b"", content_type="a/b"),
        ),
        (
            {"failure": FAILURE},
            Failed(
                error=AttemptError(
                    type="Boom", message="no luck", stack_trace="line 1", non_retryable=True, details=b'{"a":"b"}'
                ),
                retry_after=9 * SECOND,
            ),
        ),
        (
            {"failure": worker_pb2.JobFailure(error=job_pb2.JobError(type="Boom"))},
            Failed(error=AttemptError(type="Boom", message="")),
        ),
        (
            {"failure": worker_pb2.JobFailure(error=job_pb2.JobError(), retry_after=Duration())},
            Failed(error=AttemptError(type="", message=""), retry_after=timedelta()),
        ),
        ({"snooze": worker_pb2.JobSnooze(delay=Duration(seconds=9))}, Snoozed(delay=9 * SECOND)),
        ({"release": worker_pb2.JobRelease()}, Released()),
        ({"cancelled": worker_pb2.JobCancelled(message="enough")}, Cancelled(message="enough")),
    ],
)
def test_each_outcome_is_what_was_said(said: dict[str, Any], outcome: Outcome) -> None:
    assert outcome_of(worker_pb2.JobResult(lease=REF_MESSAGE, **said)) == outcome


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"success": worker_pb2.JobSuccess(result=struct(a=float("nan")))}, "success.result"),
        (
            {"success": worker_pb2.JobSuccess(result_bytes=b"{", result_content_type=JSON)},
            "success.result_bytes",
        ),
        (
            {"success": worker_pb2.JobSuccess(result_bytes=b"", result_content_type="a\0b")},
            "success.result_content_type",
        ),
        (
            {"failure": worker_pb2.JobFailure(error=job_pb2.JobError(details=struct(a=float("inf"))))},
            "failure.error.details",
        ),
        (
            {"failure": worker_pb2.JobFailure(retry_after=Duration(seconds=1, nanos=-1))},
            "failure.retry_after",
        ),
        ({"snooze": worker_pb2.JobSnooze(delay=Duration(seconds=2**62))}, "snooze.delay"),
    ],
)
def test_a_bad_outcome_is_refused_by_its_field(said: dict[str, Any], field: str) -> None:
    assert _refused(lambda: outcome_of(worker_pb2.JobResult(lease=REF_MESSAGE, **said))) == [field]


def test_outside_a_result_the_fields_stand_by_themselves() -> None:
    success = worker_pb2.JobSuccess(result=struct(a=float("nan")))
    failure = worker_pb2.JobFailure(retry_after=Duration(nanos=2_000_000_000))
    assert _refused(lambda: success_of(success, "")) == ["result"]
    assert _refused(lambda: failure_of(failure, "")) == ["retry_after"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"kinds": ["k", "\0"]}, "kinds[1]"),
        ({"lease_duration": Duration(seconds=1, nanos=-1)}, "lease_duration"),
    ],
)
def test_a_bad_profile_is_refused_by_its_field(said: dict[str, Any], field: str) -> None:
    assert _refused(lambda: profile_of(WorkerHello(worker_id="w-1", **said))) == [field]


def test_progress_is_what_was_said() -> None:
    said = job_pb2.JobProgress(current=1, total=2, message="half")
    half = RemoteProgress(lease=REF, current=1, total=2, message="half")
    assert progress_of(REF, said) == half
    assert progresses_of(ProgressReport(reports=[JobProgressReport(lease=REF_MESSAGE, progress=said)])) == [half]


def _refused(convert: Callable[[], object]) -> list[str]:
    with pytest.raises(ValidationFailed) as refusal:
        convert()
    return [violation.field for violation in refusal.value.violations]
