"""The whole edge over the real service and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2
from gosynq.v1.job_service_pb2 import (
    BatchEnqueueJobsRequest,
    CancelJobRequest,
    DeleteJobRequest,
    EnqueueJobRequest,
    GetJobRequest,
    ListJobAttemptsRequest,
    ListJobsRequest,
    RetryJobRequest,
    StreamEnqueueItem,
    StreamEnqueueJobsRequest,
    WaitJobRequest,
)
from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.rpc.server import RpcOptions, Services, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_in, refusal_of
from tests.service.house import open_house

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

WINDOW = timedelta(hours=24)
NOBODY = "0195e7a4-5a5a-7000-8000-000000000001"


@pytest.fixture
async def services(database_url: str) -> AsyncIterator[Services]:
    """Give the real service layer, its parts running."""
    async with open_house(database_url) as house:
        yield services_of(house)


@pytest.fixture
async def stub(services: Services) -> AsyncIterator[JobServiceAsyncStub]:
    server = build_server(services, RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield JobServiceStub(channel)
    await server.stop(timedelta())


DEFAULTS: dict[str, Any] = {"queue": "mail", "kind": "send"}


def spec(**fields: Any) -> job_pb2.JobSpec:
    return job_pb2.JobSpec(**(DEFAULTS | fields))


async def enqueue(stub: JobServiceAsyncStub, **fields: Any) -> str:
    return (await stub.EnqueueJob(EnqueueJobRequest(job=spec(**fields)))).job_id


async def test_a_job_comes_back_as_it_was_sent(stub: JobServiceAsyncStub) -> None:
    sent = spec(labels={"tenant": "acme"}, headers={"traceparent": "00"}, priority=job_pb2.JOB_PRIORITY_HIGH)
    sent.payload.update({"a": 1, "b": [True, None, "ü"]})

    answer = await stub.EnqueueJob(EnqueueJobRequest(job=sent))
    job = (await stub.GetJob(GetJobRequest(job_id=answer.job_id))).job

    assert (answer.status, answer.deduplicated) == (job_pb2.JOB_STATUS_PENDING, False)
    assert (job.payload, job.labels, job.headers) == (sent.payload, sent.labels, sent.headers)
    assert (job.priority, job.max_retries, job.attempt) == (job_pb2.JOB_PRIORITY_HIGH, 4, 0)
    job.ClearField("payload")
    job.ClearField("headers")
    assert answer.job == job


async def test_bytes_come_back_unchanged(stub: JobServiceAsyncStub) -> None:
    job_id = await enqueue(stub, payload_bytes=b"\x00\xff", content_type="image/png")

    job = (await stub.GetJob(GetJobRequest(job_id=job_id))).job

    assert (job.payload_bytes, job.content_type) == (b"\x00\xff", "image/png")


async def test_a_checked_job_is_not_there(stub: JobServiceAsyncStub) -> None:
    answer = await stub.EnqueueJob(EnqueueJobRequest(job=spec(), validate_only=True))

    assert (answer.job_id, answer.job.queue, answer.job.max_retries) == ("", "mail", 4)
    assert list((await stub.ListJobs(ListJobsRequest())).jobs) == []


async def test_a_key_names_one_job(stub: JobServiceAsyncStub) -> None:
    first = await stub.EnqueueJob(EnqueueJobRequest(job=spec(idempotency_key="k")))
    again = await stub.EnqueueJob(EnqueueJobRequest(job=spec(idempotency_key="k")))
    other = await refusal_of(stub.EnqueueJob(EnqueueJobRequest(job=spec(idempotency_key="k", kind="other"))))

    assert (again.job_id, again.deduplicated) == (first.job_id, True)
    assert (other.code, other.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED")
    assert other.metadata == {"job_id": first.job_id, "queue": "mail"}


async def test_a_batch_is_all_or_nothing(stub: JobServiceAsyncStub) -> None:
    done = await stub.BatchEnqueueJobs(BatchEnqueueJobsRequest(jobs=[spec(kind=f"k{n}") for n in range(1000)]))
    too_large = spec(payload_bytes=b"x" * 300_000, content_type="a/b")
    refusal = await refusal_of(stub.BatchEnqueueJobs(BatchEnqueueJobsRequest(jobs=[spec(kind="none"), too_large])))

    assert len({result.job_id for result in done.results}) == 1000
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE")
    assert refusal.metadata == {"size": "300000", "limit": "262144"}
    assert list((await stub.ListJobs(ListJobsRequest(kind=["none"]))).jobs) == []


async def stream(stub: JobServiceAsyncStub, items: list[StreamEnqueueItem], size: int) -> dict[int, Any]:
    """Send the items in messages of that many, and collect the answers by sequence."""
    sent = [StreamEnqueueJobsRequest(items=items[start : start + size]) for start in range(0, len(items), size)]
    return {
        result.sequence: result async for response in stub.StreamEnqueueJobs(iter(sent)) for result in response.results
    }


async def test_five_megabytes_come_through_a_stream_of_several_messages(stub: JobServiceAsyncStub) -> None:
    payloads = [bytes([number]) * 100_000 for number in range(50)]
    items = [
        StreamEnqueueItem(sequence=number, job=spec(payload_bytes=payload, content_type="a/b"))
        for number, payload in enumerate(payloads)
    ]

    answers = await stream(stub, items, 10)

    for number, payload in enumerate(payloads):
        job = (await stub.GetJob(GetJobRequest(job_id=answers[number].result.job_id))).job
        assert job.payload_bytes == payload


async def test_a_stream_adds_what_is_good_and_refuses_the_rest(stub: JobServiceAsyncStub) -> None:
    items = [StreamEnqueueItem(sequence=number, job=spec()) for number in range(700)]
    items[5].job.queue = "!"
    items[6].job.payload_bytes, items[6].job.content_type = b"x" * 300_000, "a/b"

    answers = await stream(stub, items, 100)

    assert len({answer.result.job_id for answer in answers.values() if answer.HasField("result")}) == 698
    assert refusal_in(answers[5].error).reason == "VALIDATION_FAILED"
    assert refusal_in(answers[6].error).reason == "PAYLOAD_TOO_LARGE"


async def test_pages_lead_through_all_jobs_newest_first(stub: JobServiceAsyncStub) -> None:
    ids = [await enqueue(stub) for _ in range(5)]
    seen, token = [], ""
    while True:
        page = await stub.ListJobs(ListJobsRequest(page_size=2, page_token=token, queue=["mail"]))
        seen += [job.id for job in page.jobs]
        if not (token := page.next_page_token):
            break

    assert seen == ids[::-1]


async def test_a_page_token_serves_its_own_list_only(stub: JobServiceAsyncStub) -> None:
    for _ in range(2):
        await enqueue(stub)
    token = (await stub.ListJobs(ListJobsRequest(page_size=1))).next_page_token

    for request in (ListJobsRequest(page_token=token, queue=["x"]), ListJobsRequest(page_token="rubbish")):
        refusal = await refusal_of(stub.ListJobs(request))
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_a_filter_that_does_not_parse_is_refused(stub: JobServiceAsyncStub) -> None:
    refusal = await refusal_of(stub.ListJobs(ListJobsRequest(filter="status = = 1")))

    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "FILTER_INVALID")
    assert "position" in refusal.metadata


async def test_a_job_is_cancelled_retried_and_deleted(stub: JobServiceAsyncStub) -> None:
    job_id = await enqueue(stub)
    later = datetime(2090, 1, 1, tzinfo=UTC)

    cancelled = (await stub.CancelJob(CancelJobRequest(job_id=job_id, reason="late"))).job
    retried = (
        await stub.RetryJob(RetryJobRequest(job_id=job_id, run_at=Timestamp(seconds=int(later.timestamp()))))
    ).job
    await stub.DeleteJob(DeleteJobRequest(job_id=job_id))

    assert (cancelled.status, cancelled.id) == (job_pb2.JOB_STATUS_CANCELLED, job_id)
    assert (retried.status, retried.run_at.ToDatetime(UTC)) == (job_pb2.JOB_STATUS_PENDING, later)
    assert (await refusal_of(stub.GetJob(GetJobRequest(job_id=job_id)))).reason == "JOB_NOT_FOUND"


async def test_a_wait_ends_when_the_job_does(stub: JobServiceAsyncStub) -> None:
    job_id = await enqueue(stub)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(wait(stub, job_id))
        await stub.CancelJob(CancelJobRequest(job_id=job_id))

    assert waiting.result() == (True, job_pb2.JOB_STATUS_CANCELLED)


async def wait(stub: JobServiceAsyncStub, job_id: str) -> tuple[bool, int]:
    answer = await stub.WaitJob(WaitJobRequest(job_id=job_id), timeout=15)
    return answer.done, answer.job.status


async def test_a_wait_that_is_over_says_so_and_is_no_error(stub: JobServiceAsyncStub) -> None:
    job_id = await enqueue(stub)

    answer = await stub.WaitJob(WaitJobRequest(job_id=job_id, timeout=Duration(nanos=50_000_000)))

    assert (answer.done, answer.job.status) == (False, job_pb2.JOB_STATUS_PENDING)


async def test_a_wait_answers_before_a_shorter_deadline(stub: JobServiceAsyncStub) -> None:
    job_id = await enqueue(stub)

    answer = await stub.WaitJob(WaitJobRequest(job_id=job_id, timeout=Duration(seconds=300)), timeout=1.2)

    assert not answer.done


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetJob", GetJobRequest(job_id=NOBODY)),
        ("ListJobAttempts", ListJobAttemptsRequest(job_id=NOBODY)),
        ("WaitJob", WaitJobRequest(job_id=NOBODY)),
        ("CancelJob", CancelJobRequest(job_id=NOBODY)),
        ("RetryJob", RetryJobRequest(job_id=NOBODY)),
        ("DeleteJob", DeleteJobRequest(job_id=NOBODY)),
    ],
)
async def test_a_job_that_is_not_there_is_named(stub: JobServiceAsyncStub, method: str, request_: object) -> None:
    refusal = await refusal_of(getattr(stub, method)(request_))

    assert (refusal.code, refusal.reason, refusal.metadata) == ("NOT_FOUND", "JOB_NOT_FOUND", {"job_id": NOBODY})


async def test_a_job_that_never_ran_has_no_attempts(stub: JobServiceAsyncStub) -> None:
    answer = await stub.ListJobAttempts(ListJobAttemptsRequest(job_id=await enqueue(stub)))

    assert (list(answer.attempts), answer.next_page_token) == ([], "")


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (Timestamp(seconds=-62_135_596_800, nanos=1000), "0001-01-01T00:00:00.000001Z"),
        (Timestamp(seconds=253_402_300_799, nanos=999_998_000), "9999-12-31T23:59:59.999998Z"),
    ],
)
async def test_the_first_and_the_last_moment_can_be_stored_and_found(
    stub: JobServiceAsyncStub, moment: Timestamp, text: str
) -> None:
    job_id = await enqueue(stub, run_at=moment)
    job = (await stub.GetJob(GetJobRequest(job_id=job_id))).job
    found = await stub.ListJobs(ListJobsRequest(filter=f"run_at = {text}"))

    assert (job.status, job.run_at) == (job_pb2.JOB_STATUS_PENDING, moment)
    assert [each.id for each in found.jobs] == [job_id]


async def test_any_text_that_is_allowed_can_be_stored(stub: JobServiceAsyncStub) -> None:
    text = "".join(map(chr, (*range(1, 128), 0x2028, 0xFFFD, 0x1F600)))
    payload = b'{"a":"\\u0000"}'
    job_id = await enqueue(
        stub, labels={"a": text}, headers={"b": text}, payload_bytes=payload, content_type="application/json"
    )

    job = (await stub.GetJob(GetJobRequest(job_id=job_id))).job

    assert (job.labels["a"], job.headers["b"], job.payload["a"]) == (text, text, "\0")
