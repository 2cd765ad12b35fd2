"""What is wrong with a request is refused by the name of its field, and reaches nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import event_pb2, event_service_pb2_grpc, job_pb2
from gosynq.v1.event_service_pb2 import ListEventsRequest, WatchEventsRequest
from gosynq.v1.job_service_pb2 import (
    BatchEnqueueJobsRequest,
    CancelJobRequest,
    DeleteJobRequest,
    EnqueueJobRequest,
    GetJobRequest,
    ListJobAttemptsRequest,
    ListJobsRequest,
    RetryJobRequest,
    WaitJobRequest,
)
from gosynq.v1.worker_pb2 import JobSuccess
from gosynq.v1.worker_service_pb2 import CompleteJobRequest
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.rpc.validation import check
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import ScriptedService
from tests.unit.rpc.factories import a_job

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

ID = "0195e7a4-5a5a-7000-8000-000000000001"


def spec(**fields: Any) -> job_pb2.JobSpec:
    return job_pb2.JobSpec(**{"queue": "q"} | fields)


def json(content: bytes) -> job_pb2.JobSpec:
    return spec(payload_bytes=content, content_type="application/json")


UNKNOWN: Any = 77
"""A number that is in none of the enums."""

NOT_A_NUMBER = Struct()
NOT_A_NUMBER["a"] = float("nan")

BAD_SPECS = [
    (spec(queue=""), "queue"),
    (spec(queue="a b"), "queue"),
    (spec(queue="a\0"), "queue"),
    (spec(queue="q" * 129), "queue"),
    (spec(kind="\0"), "kind"),
    (spec(payload=NOT_A_NUMBER), "payload"),
    (json(b'{"a":'), "payload_bytes"),
    (json(b"NaN"), "payload_bytes"),
    (json(b'"\xff"'), "payload_bytes"),
    (json(b"[" * 33 + b"]" * 33), "payload_bytes"),
    *((spec(payload_bytes=b"", content_type=f"a/{odd}b"), "content_type") for odd in "\0\n\r\t\x1b\x7fü"),
    (spec(payload_bytes=b"", content_type="a/b\n"), "content_type"),
    (spec(payload_bytes=b"", content_type="a" * 128), "content_type"),
    (spec(max_retries=-1), "max_retries"),
    (spec(max_retries=2**31 - 1), "max_retries"),
    (spec(max_deliveries=0), "max_deliveries"),
    (spec(priority=99), "priority"),
    (spec(priority=-1), "priority"),
    (spec(run_at=Timestamp(seconds=2**62)), "run_at"),
    (spec(run_at=Timestamp(nanos=-5)), "run_at"),
    (spec(delay=Duration(seconds=-1)), "delay"),
    (spec(delay=Duration(seconds=2**62)), "delay"),
    (spec(idempotency_key="ü"), "idempotency_key"),
    (spec(idempotency_key="\0"), "idempotency_key"),
    (spec(labels={"A": "1"}), "labels['A']"),
    (spec(labels={"a": "\0"}), "labels['a']"),
    (spec(headers={"a": "1" * 4097}), "headers['a']"),
    (spec(headers={"a": "\0"}), "headers['a']"),
    (spec(retry_policy=job_pb2.RetryPolicy(strategy=UNKNOWN)), "retry_policy.strategy"),
    (spec(retry_policy=job_pb2.RetryPolicy(multiplier=float("nan"))), "retry_policy.multiplier"),
    (spec(retry_policy=job_pb2.RetryPolicy(jitter=float("inf"))), "retry_policy.jitter"),
    (spec(retry_policy=job_pb2.RetryPolicy(max_backoff=Duration(seconds=-1))), "retry_policy.max_backoff"),
    (spec(lease_duration=Duration()), "lease_duration"),
    (spec(attempt_timeout=Duration(seconds=2**40)), "attempt_timeout"),
    (spec(expires_at=Timestamp(seconds=-(2**62))), "expires_at"),
    (spec(retention=Duration(seconds=-1)), "retention"),
]


@pytest.mark.parametrize(("job", "field"), BAD_SPECS)
async def test_a_bad_spec_is_refused_by_its_field(
    stub: JobServiceAsyncStub, service: ScriptedService, job: job_pb2.JobSpec, field: str
) -> None:
    one = await refusal_of(stub.EnqueueJob(EnqueueJobRequest(job=job)))
    batch = await refusal_of(stub.BatchEnqueueJobs(BatchEnqueueJobsRequest(jobs=[spec(), job])))

    assert (one.code, one.reason, one.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (f"job.{field}",))
    assert (batch.code, batch.fields) == ("INVALID_ARGUMENT", (f"jobs[1].{field}",))
    assert service.calls == []


@pytest.mark.parametrize(
    "result",
    [
        JobSuccess(result_bytes=b"", result_content_type="a/b\n"),
        CompleteJobRequest(job_id=ID, lease_token="t", result_bytes=b"", result_content_type="a/\x00b"),
    ],
    ids=lambda result: type(result).__name__,
)
def test_a_bad_media_type_of_a_result_is_refused_by_its_field(result: Message) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        check(result)

    assert [violation.field for violation in refusal.value.violations] == ["result_content_type"]


BAD_REQUESTS: list[tuple[str, Any, str]] = [
    ("EnqueueJob", EnqueueJobRequest(), "job"),
    ("EnqueueJob", EnqueueJobRequest(job=spec(payload_bytes=b"a")), "job"),
    ("EnqueueJob", EnqueueJobRequest(job=spec(content_type="a/b")), "job"),
    ("BatchEnqueueJobs", BatchEnqueueJobsRequest(), "jobs"),
    ("BatchEnqueueJobs", BatchEnqueueJobsRequest(jobs=[spec()] * 1001), "jobs"),
    *(
        (method, request(job_id=job_id), "job_id")
        for method, request in (
            ("GetJob", GetJobRequest),
            ("ListJobAttempts", ListJobAttemptsRequest),
            ("WaitJob", WaitJobRequest),
            ("CancelJob", CancelJobRequest),
            ("RetryJob", RetryJobRequest),
            ("DeleteJob", DeleteJobRequest),
        )
        for job_id in ("", "1", ID[:-1], ID + "\0", ID.replace("-", ""), "x" * 10_000)
    ),
    ("GetJob", GetJobRequest(job_id=ID, view=UNKNOWN), "view"),
    ("ListJobs", ListJobsRequest(status=[job_pb2.JOB_STATUS_PENDING, UNKNOWN]), "status[1]"),
    ("ListJobs", ListJobsRequest(status=[job_pb2.JOB_STATUS_PENDING] * 9), "status"),
    ("ListJobs", ListJobsRequest(queue=["a b"]), "queue[0]"),
    ("ListJobs", ListJobsRequest(queue=["\0"]), "queue[0]"),
    ("ListJobs", ListJobsRequest(kind=["k"] * 65), "kind"),
    ("ListJobs", ListJobsRequest(kind=["a", "\0"]), "kind[1]"),
    ("ListJobs", ListJobsRequest(priority=[UNKNOWN]), "priority[0]"),
    ("ListJobs", ListJobsRequest(filter="x" * 2049), "filter"),
    ("ListJobs", ListJobsRequest(filter="\0"), "filter"),
    ("ListJobs", ListJobsRequest(order_by="priority"), "order_by"),
    ("ListJobs", ListJobsRequest(page_size=-1), "page_size"),
    ("ListJobs", ListJobsRequest(page_size=-(2**31)), "page_size"),
    ("ListJobs", ListJobsRequest(page_token="\0"), "page_token"),
    ("ListJobs", ListJobsRequest(page_token="x" * 1025), "page_token"),
    ("ListJobs", ListJobsRequest(view=-UNKNOWN), "view"),
    ("ListJobAttempts", ListJobAttemptsRequest(job_id=ID, page_size=-1), "page_size"),
    ("ListJobAttempts", ListJobAttemptsRequest(job_id=ID, page_token="\0"), "page_token"),
    ("WaitJob", WaitJobRequest(job_id=ID, timeout=Duration(seconds=-1)), "timeout"),
    ("WaitJob", WaitJobRequest(job_id=ID, timeout=Duration(seconds=301)), "timeout"),
    ("WaitJob", WaitJobRequest(job_id=ID, timeout=Duration(seconds=1, nanos=-1)), "timeout"),
    ("CancelJob", CancelJobRequest(job_id=ID, reason="x" * 1025), "reason"),
    ("CancelJob", CancelJobRequest(job_id=ID, reason="\0"), "reason"),
    ("RetryJob", RetryJobRequest(job_id=ID, run_at=Timestamp(seconds=2**62)), "run_at"),
    ("RetryJob", RetryJobRequest(job_id=ID, run_at=Timestamp(nanos=2_000_000_000)), "run_at"),
]


@pytest.mark.parametrize(("method", "request_", "field"), BAD_REQUESTS)
async def test_a_bad_request_is_refused_by_its_field(
    stub: JobServiceAsyncStub, service: ScriptedService, method: str, request_: Any, field: str
) -> None:
    refusal = await refusal_of(getattr(stub, method)(request_))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (field,))
    assert service.calls == []


CREATED = event_pb2.EVENT_TYPE_CREATED
BAD_CONDITIONS: list[tuple[dict[str, Any], str]] = [
    ({"queues": ["q", "a b"]}, "queues[1]"),
    ({"queues": [""]}, "queues[0]"),
    ({"queues": ["\0"]}, "queues[0]"),
    ({"queues": ["q\n"]}, "queues[0]"),
    ({"queues": ["q" * 129]}, "queues[0]"),
    ({"queues": ["q"] * 65}, "queues"),
    ({"types": [CREATED, UNKNOWN]}, "types[1]"),
    ({"types": [-UNKNOWN]}, "types[0]"),
    ({"types": [event_pb2.EVENT_TYPE_UNSPECIFIED]}, "types[0]"),
    ({"types": [CREATED] * 33}, "types"),
    *(({"job_ids": [ID, job_id]}, "job_ids[1]") for job_id in ("", "1", ID[:-1], ID + "\0", ID.replace("-", ""))),
    ({"job_ids": [ID] * 1001}, "job_ids"),
    ({"kinds": ["\0"]}, "kinds[0]"),
    ({"kinds": ["k", ""]}, "kinds[1]"),
    ({"kinds": ["k"] * 65}, "kinds"),
    *(({"labels": [label]}, "labels[0]") for label in ("", "a", "=b", "A=b", "a =b", "a=\n", "a\n=b", "a=b\n")),
    ({"labels": ["a=b", "a=\0"]}, "labels[1]"),
    ({"labels": ["a=" + "x" * 256]}, "labels[0]"),
    ({"labels": ["a=b"] * 17}, "labels"),
    ({"priorities": [job_pb2.JOB_PRIORITY_UNSPECIFIED]}, "priorities[0]"),
    ({"priorities": [job_pb2.JOB_PRIORITY_LOW, UNKNOWN]}, "priorities[1]"),
    ({"priorities": [job_pb2.JOB_PRIORITY_LOW] * 9}, "priorities"),
    ({"start_at": Timestamp(seconds=2**62)}, "start_at"),
    ({"start_at": Timestamp(nanos=-5)}, "start_at"),
    ({"start_at": Timestamp(nanos=2_000_000_000)}, "start_at"),
]
BAD_LISTS: list[tuple[dict[str, Any], str]] = [
    ({"end_at": Timestamp(seconds=-(2**62))}, "end_at"),
    ({"page_size": -1}, "page_size"),
    ({"page_size": -(2**31)}, "page_size"),
    ({"page_token": "\0"}, "page_token"),
    ({"page_token": "x" * 1025}, "page_token"),
]
BAD_WATCHES: list[tuple[dict[str, Any], str]] = [
    ({"cursor": ""}, "cursor"),
    ({"cursor": "\0"}, "cursor"),
    ({"cursor": "x" * 257}, "cursor"),
    ({"heartbeat_interval": Duration()}, "heartbeat_interval"),
    ({"heartbeat_interval": Duration(nanos=999_999_999)}, "heartbeat_interval"),
    ({"heartbeat_interval": Duration(seconds=300, nanos=1)}, "heartbeat_interval"),
    ({"heartbeat_interval": Duration(seconds=2, nanos=-1)}, "heartbeat_interval"),
    ({"heartbeat_interval": Duration(seconds=-1)}, "heartbeat_interval"),
    ({"max_batch_size": -1}, "max_batch_size"),
    ({"max_batch_size": 1001}, "max_batch_size"),
    ({"stop_when_terminal": True}, "request"),
    ({"snapshot": True, "from_oldest": True}, "request"),
    ({"snapshot": True, "cursor": "c"}, "request"),
    ({"snapshot": True, "start_at": Timestamp()}, "request"),
]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        *((WatchEventsRequest(**fields), field) for fields, field in BAD_CONDITIONS + BAD_WATCHES),
        *((ListEventsRequest(**fields), field) for fields, field in BAD_CONDITIONS + BAD_LISTS),
    ],
)
async def test_a_bad_question_about_events_is_refused_by_its_field(
    channel: Any, service: ScriptedService, request_: Any, field: str
) -> None:
    stub: Any = event_service_pb2_grpc.EventServiceStub(channel)
    is_watch = isinstance(request_, WatchEventsRequest)

    refusal = await refusal_of(stub.WatchEvents(request_).read() if is_watch else stub.ListEvents(request_))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", (field,))
    assert service.calls == []


UNARY = [
    "EnqueueJob",
    "BatchEnqueueJobs",
    "GetJob",
    "ListJobs",
    "ListJobAttempts",
    "WaitJob",
    "CancelJob",
    "RetryJob",
    "DeleteJob",
]


@pytest.fixture
def send(channel: Any) -> Callable[[str, bytes], Any]:
    """Give a function that sends bytes to a method of JobService."""
    return lambda method, data: channel.unary_unary(f"/gosynq.v1.JobService/{method}")(data, timeout=10)


@pytest.mark.parametrize("method", UNARY)
async def test_bytes_that_are_no_message_are_refused(send: Callable[[str, bytes], Any], method: str) -> None:
    refusal = await refusal_of(send(method, b"\x0a\xff\xff"))

    assert (refusal.code, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", ("request",))


@pytest.mark.parametrize("method", UNARY)
async def test_text_that_is_no_utf8_is_refused(send: Callable[[str, bytes], Any], method: str) -> None:
    bad = b"\x0a\x04\x0a\x02\xff\xfe" if "Enqueue" in method else b"\x42\x02\xff\xfe" if method == "ListJobs" else b""

    refusal = await refusal_of(send(method, bad or b"\x0a\x02\xff\xfe"))

    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", ("request",))


@pytest.mark.parametrize("method", UNARY)
async def test_a_message_of_five_megabytes_is_refused_by_the_library(
    send: Callable[[str, bytes], Any], service: ScriptedService, method: str
) -> None:
    refusal = await refusal_of(send(method, b"\0" * 5_000_000))

    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "")
    assert service.calls == []


@pytest.mark.parametrize("method", UNARY)
async def test_a_call_whose_deadline_is_over_does_nothing(channel: Any, service: ScriptedService, method: str) -> None:
    refusal = await refusal_of(channel.unary_unary(f"/gosynq.v1.JobService/{method}")(b"", timeout=-1))

    assert refusal.code == "DEADLINE_EXCEEDED"
    assert service.calls == []


async def test_a_payload_nested_to_the_limit_comes_back_as_an_object(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(31):
        deep = {"a": deep}
    sent = spec()
    sent.payload.update(deep)

    await stub.EnqueueJob(EnqueueJobRequest(job=sent))
    kept = service.calls[0][1].payload
    service.answers["get"] = a_job(payload=kept)

    assert (await stub.GetJob(GetJobRequest(job_id=ID))).job.payload == sent.payload


@pytest.mark.parametrize("levels", [33, 60, 5000])
async def test_a_payload_nested_too_deep_is_refused_not_broken_off(
    send: Callable[[str, bytes], Any], levels: int
) -> None:
    value = b""
    for _ in range(levels):
        value = length_delimited(1, length_delimited(1, b"a") + length_delimited(2, length_delimited(5, value)))
    job = length_delimited(1, length_delimited(1, b"q") + length_delimited(3, value))

    refusal = await refusal_of(send("EnqueueJob", job))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert refusal.fields in {("job.payload",), ("request",)}


async def test_at_most_twenty_of_many_broken_rules_are_named(stub: JobServiceAsyncStub) -> None:
    refusal = await refusal_of(stub.BatchEnqueueJobs(BatchEnqueueJobsRequest(jobs=[spec(queue="!")] * 1000)))

    assert refusal.fields == tuple(f"jobs[{index}].queue" for index in range(20))


def length_delimited(number: int, content: bytes) -> bytes:
    """Encode a field of bytes; see protobuf's wire format."""
    size, prefix = len(content), bytearray([number << 3 | 2])
    while size > 127:
        prefix.append(size & 127 | 128)
        size >>= 7
    return bytes(prefix) + bytes([size]) + content
