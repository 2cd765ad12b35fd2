"""What is wrong with what a worker says is refused by the name of its field, and reaches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from gosynq.v1 import job_pb2
from gosynq.v1.worker_pb2 import JobRelease, JobResult, LeaseRef, QueueSubscription, WorkerRuntime
from gosynq.v1.worker_service_pb2 import (
    AcknowledgeCancelRequest,
    CompleteJobRequest,
    ExtendLeasesRequest,
    FailJobRequest,
    JobProgressReport,
    JobResults,
    LeaseJobsRequest,
    ProgressReport,
    ReleaseJobRequest,
    ReportProgressRequest,
    SnoozeJobRequest,
    WorkerHeartbeat,
    WorkerHello,
    WorkRequest,
)
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.rpc.convert_leases import profile_of
from gosynq_server.rpc.validation import check
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import ScriptedService

if TYPE_CHECKING:
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

ID = "0195e7a4-5a5a-7000-8000-000000000001"
GOOD, NO_ID, NO_TOKEN = (
    LeaseRef(job_id=job_id, lease_token=token) for job_id, token in ((ID, "1.q"), ("1", "1.q"), (ID, ""))
)
Q = QueueSubscription(queue="q")
NOT_A_NUMBER = Struct()
NOT_A_NUMBER["a"] = float("nan")
MIXED, NEGATIVE, ENDLESS = Duration(seconds=5, nanos=-1), Duration(seconds=-1), Duration(seconds=2**62)


@pytest.fixture
def worker(channel: grpc.aio.Channel) -> WorkerServiceAsyncStub:
    return WorkerServiceStub(channel)


# What a hello and LeaseJobs have in common.
BAD_PROFILES: list[tuple[dict[str, Any], str]] = [
    *(({"worker_id": name}, "worker_id") for name in ("", "a b", "a\0", "-a", "a\n", "w" * 129)),
    ({"queues": []}, "queues"),
    ({"queues": [QueueSubscription(queue=f"q{number}") for number in range(257)]}, "queues"),
    ({"queues": [Q, Q]}, "queues"),
    *(({"queues": [Q, QueueSubscription(queue=name)]}, "queues[1].queue") for name in ("", "a b", "a\0", "q" * 129)),
    *(({"queues": [QueueSubscription(queue="q", weight=weight)]}, "queues[0].weight") for weight in (-1, 1001)),
    *(
        ({"queues": [QueueSubscription(queue="q", max_in_flight=most)]}, "queues[0].max_in_flight")
        for most in (-1, 1001)
    ),
    ({"kinds": ["k"] * 1025}, "kinds"),
    ({"kinds": ["k", "\0"]}, "kinds[1]"),
    *(
        ({"lease_duration": length}, "lease_duration")
        for length in (Duration(), Duration(nanos=999_999_999), Duration(seconds=43201), MIXED, NEGATIVE, ENDLESS)
    ),
    ({"runtime": WorkerRuntime(sdk="x" * 129)}, "runtime.sdk"),
    ({"runtime": WorkerRuntime(language="x" * 129)}, "runtime.language"),
    ({"runtime": WorkerRuntime(build="x" * 129)}, "runtime.build"),
    ({"runtime": WorkerRuntime(host="x" * 256)}, "runtime.host"),
]
BAD_TAKINGS: list[tuple[dict[str, Any], str]] = [
    ({"max_jobs": -1}, "max_jobs"),
    ({"max_jobs": 1001}, "max_jobs"),
    *(({"wait": length}, "wait") for length in (NEGATIVE, Duration(seconds=61), MIXED, ENDLESS)),
]
BAD_HELLOS: list[tuple[dict[str, Any], str]] = [
    ({"max_in_flight": -1}, "max_in_flight"),
    ({"max_in_flight": 1001}, "max_in_flight"),
    ({"held_leases": [GOOD] * 1001}, "held_leases"),
    ({"held_leases": [GOOD, NO_ID]}, "held_leases[1].job_id"),
    ({"held_leases": [NO_TOKEN]}, "held_leases[0].lease_token"),
]


@pytest.mark.parametrize(("fields", "field"), BAD_PROFILES + BAD_TAKINGS)
async def test_a_bad_wish_for_jobs_is_refused_by_its_field(
    worker: WorkerServiceAsyncStub, service: ScriptedService, fields: dict[str, Any], field: str
) -> None:
    request = LeaseJobsRequest(**{"worker_id": "w-1", "queues": [Q]} | fields)

    refusal = await refusal_of(worker.LeaseJobs(request))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (field,))
    assert service.calls == []


@pytest.mark.parametrize(("fields", "field"), BAD_PROFILES + BAD_HELLOS)
def test_a_bad_hello_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    hello = WorkerHello(**{"worker_id": "w-1", "queues": [Q]} | fields)

    with pytest.raises(ValidationFailed) as refusal:
        _take(hello)

    assert [violation.field for violation in refusal.value.violations] == [field]


def _take(hello: WorkerHello) -> None:
    check(hello)
    profile_of(hello)


REPORT = JobProgressReport(lease=GOOD, progress=job_pb2.JobProgress())
BAD_MESSAGES: list[tuple[dict[str, Any], str]] = [
    ({}, "message"),
    ({"hello": WorkerHello(worker_id="w-1")}, "hello.queues"),
    ({"flow_control": {"max_in_flight": -1}}, "flow_control.max_in_flight"),
    ({"flow_control": {"max_in_flight": 1001}}, "flow_control.max_in_flight"),
    ({"heartbeat": WorkerHeartbeat(leases=[GOOD] * 1001)}, "heartbeat.leases"),
    ({"heartbeat": WorkerHeartbeat(leases=[GOOD, NO_ID])}, "heartbeat.leases[1].job_id"),
    ({"heartbeat": WorkerHeartbeat(leases=[NO_TOKEN])}, "heartbeat.leases[0].lease_token"),
    ({"progress": ProgressReport()}, "progress.reports"),
    ({"progress": ProgressReport(reports=[REPORT] * 1001)}, "progress.reports"),
    ({"progress": {"reports": [REPORT, {"lease": GOOD}]}}, "progress.reports[1].progress"),
    ({"progress": {"reports": [{"progress": job_pb2.JobProgress()}]}}, "progress.reports[0].lease"),
    ({"results": JobResults()}, "results.results"),
    (
        {"results": JobResults(results=[JobResult(lease=GOOD, release=JobRelease())] * 1001)},
        "results.results",
    ),
]


@pytest.mark.parametrize(("said", "field"), BAD_MESSAGES)
async def test_a_bad_first_message_ends_the_stream_by_its_field(
    worker: WorkerServiceAsyncStub, service: ScriptedService, said: dict[str, Any], field: str
) -> None:
    call: Any = worker.Work()
    await call.write(WorkRequest(**said))

    refusal = await refusal_of(call.read())

    reason = "PROTOCOL_VIOLATION" if "results" in said else "VALIDATION_FAILED"
    fields = () if "results" in said else (field,)
    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", reason, fields)
    assert service.calls == []


ERROR = job_pb2.JobError(type="Boom")
BAD_ENDS: list[tuple[str, Any, dict[str, Any], str]] = [
    ("CompleteJob", CompleteJobRequest, {"result": NOT_A_NUMBER}, "result"),
    (
        "CompleteJob",
        CompleteJobRequest,
        {"result_bytes": b"{", "result_content_type": "application/json"},
        "result_bytes",
    ),
    ("CompleteJob", CompleteJobRequest, {"result_bytes": b""}, "request"),
    ("CompleteJob", CompleteJobRequest, {"result_content_type": "a/b"}, "request"),
    ("CompleteJob", CompleteJobRequest, {"result_bytes": b"", "result_content_type": "a/\n"}, "result_content_type"),
    ("CompleteJob", CompleteJobRequest, {"result_bytes": b"", "result_content_type": "a" * 128}, "result_content_type"),
    ("FailJob", FailJobRequest, {}, "error"),
    ("FailJob", FailJobRequest, {"error": job_pb2.JobError(type="x" * 256)}, "error.type"),
    ("FailJob", FailJobRequest, {"error": job_pb2.JobError(message="x" * 8193)}, "error.message"),
    ("FailJob", FailJobRequest, {"error": job_pb2.JobError(stack_trace="x" * 32769)}, "error.stack_trace"),
    ("FailJob", FailJobRequest, {"error": job_pb2.JobError(details=NOT_A_NUMBER)}, "error.details"),
    *(
        ("FailJob", FailJobRequest, {"error": ERROR, "retry_after": length}, "retry_after")
        for length in (NEGATIVE, Duration(seconds=604801), MIXED, ENDLESS)
    ),
    ("SnoozeJob", SnoozeJobRequest, {}, "delay"),
    *(
        ("SnoozeJob", SnoozeJobRequest, {"delay": length}, "delay")
        for length in (NEGATIVE, Duration(seconds=31536001), MIXED, ENDLESS)
    ),
    ("AcknowledgeCancel", AcknowledgeCancelRequest, {"message": "x" * 1025}, "message"),
    ("ReportProgress", ReportProgressRequest, {}, "progress"),
]
ENDS: list[tuple[str, Any, dict[str, Any]]] = [
    ("CompleteJob", CompleteJobRequest, {}),
    ("FailJob", FailJobRequest, {"error": ERROR}),
    ("SnoozeJob", SnoozeJobRequest, {"delay": Duration(seconds=1)}),
    ("ReleaseJob", ReleaseJobRequest, {}),
    ("AcknowledgeCancel", AcknowledgeCancelRequest, {}),
    ("ReportProgress", ReportProgressRequest, {"progress": job_pb2.JobProgress()}),
]
BAD_NAMES = [
    *(({"job_id": name}, "job_id") for name in ("", "1", ID[:-1], ID + "\0", ID.replace("-", ""))),
    *(({"lease_token": token}, "lease_token") for token in ("", "1." + "q" * 255, "q", "0.q", "01.q", "1.a b", "1.\0")),
]


@pytest.mark.parametrize(
    ("method", "message", "fields", "field"),
    [*BAD_ENDS, *((*end[:2], end[2] | named, field) for end in ENDS for named, field in BAD_NAMES)],
)
async def test_a_bad_word_on_a_lease_is_refused_by_its_field(
    worker: WorkerServiceAsyncStub,
    service: ScriptedService,
    method: str,
    message: Any,
    fields: dict[str, Any],
    field: str,
) -> None:
    request = message(**{"job_id": ID, "lease_token": "1.q"} | fields)

    refusal = await refusal_of(getattr(worker, method)(request))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (field,))
    assert service.calls == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"leases": []}, "leases"),
        ({"leases": [GOOD] * 1001}, "leases"),
        ({"leases": [GOOD, NO_ID]}, "leases[1].job_id"),
        ({"leases": [NO_TOKEN]}, "leases[0].lease_token"),
        ({"leases": [GOOD, LeaseRef(job_id=ID, lease_token="q")]}, "leases[1].lease_token"),
        *(({"extend_by": length}, "extend_by") for length in (NEGATIVE, Duration(seconds=43201), MIXED, ENDLESS)),
    ],
)
async def test_a_bad_extension_is_refused_by_its_field(
    worker: WorkerServiceAsyncStub, service: ScriptedService, fields: dict[str, Any], field: str
) -> None:
    refusal = await refusal_of(worker.ExtendLeases(ExtendLeasesRequest(**{"leases": [GOOD]} | fields)))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (field,))
    assert service.calls == []


METHODS = ["LeaseJobs", "ExtendLeases", *(method for method, *_ in ENDS)]


@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_refused(channel: Any, method: str) -> None:
    call = channel.unary_unary(f"/gosynq.v1.WorkerService/{method}")(b"\x0a\xff\xff", timeout=10)

    refusal = await refusal_of(call)

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", ("request",))
