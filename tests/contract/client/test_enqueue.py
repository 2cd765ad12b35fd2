"""Enqueueing, over a real connection."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_client import (
    BackoffStrategy,
    Client,
    EnqueuedJob,
    FieldViolation,
    IdempotencyKeyReused,
    JobRequest,
    JobStatus,
    Priority,
    QueueFull,
    RetryPolicy,
    Unavailable,
    ValidationFailed,
)
from tests.contract.client.scripted import UNAVAILABLE, Script, status

ADDED = job_service_pb2.EnqueueJobResponse(job_id="job-1", status=job_pb2.JOB_STATUS_PENDING)
BATCH_ADDED = job_service_pb2.BatchEnqueueJobsResponse(
    results=[
        job_service_pb2.EnqueueJobResponse(job_id=f"job-{number}", status=job_pb2.JOB_STATUS_PENDING)
        for number in (1, 2)
    ]
)
RUN_AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
EXPIRES_AT = datetime(2031, 1, 1, tzinfo=UTC)
EVERYTHING = job_pb2.JobSpec(
    kind="send_email",
    payload_bytes=b'{"to":"a@example.org","order":9007199254740993}',
    content_type="application/json",
    queue="mail",
    priority=job_pb2.JOB_PRIORITY_HIGH,
    idempotency_key="order-17",
    labels={"tenant": "acme"},
    headers={"traceparent": "00-1"},
    max_retries=0,
    max_deliveries=2,
    retry_policy=job_pb2.RetryPolicy(
        strategy=job_pb2.BACKOFF_STRATEGY_FIXED, initial_backoff=Duration(seconds=7), jitter=0.0
    ),
    lease_duration=Duration(seconds=60),
    attempt_timeout=Duration(seconds=120),
    retention=Duration(seconds=86400),
    run_at=Timestamp(seconds=int(RUN_AT.timestamp())),
    expires_at=Timestamp(seconds=int(EXPIRES_AT.timestamp())),
)


async def test_a_job_goes_out_with_everything_that_was_said_of_it(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", ADDED)

    await client.enqueue(
        "send_email",
        {"to": "a@example.org", "order": 9007199254740993},
        queue="mail",
        priority=Priority.HIGH,
        run_at=RUN_AT,
        idempotency_key="order-17",
        labels={"tenant": "acme"},
        headers={"traceparent": "00-1"},
        max_retries=0,
        max_deliveries=2,
        retry_policy=RetryPolicy(strategy=BackoffStrategy.FIXED, initial_backoff=timedelta(seconds=7), jitter=0.0),
        lease_duration=timedelta(minutes=1),
        attempt_timeout=timedelta(minutes=2),
        expires_at=EXPIRES_AT,
        retention=timedelta(days=1),
    )

    assert script.requests("EnqueueJob") == [job_service_pb2.EnqueueJobRequest(job=EVERYTHING)]


async def test_a_short_enqueue_leaves_the_rest_to_the_queue(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", ADDED)

    await client.enqueue("send_email", {"to": "a@example.org"}, delay=timedelta(seconds=5), idempotency_key="")

    spec = job_pb2.JobSpec(
        kind="send_email",
        payload_bytes=b'{"to":"a@example.org"}',
        content_type="application/json",
        queue="default",
        delay=Duration(seconds=5),
    )
    assert script.requests("EnqueueJob") == [job_service_pb2.EnqueueJobRequest(job=spec)]


async def test_the_answer_is_a_value(script: Script, client: Client) -> None:
    script.answer(
        "EnqueueJob",
        job_service_pb2.EnqueueJobResponse(job_id="job-1", status=job_pb2.JOB_STATUS_COMPLETED, deduplicated=True),
    )

    enqueued = await client.enqueue("send_email")

    assert enqueued == EnqueuedJob(id="job-1", status=JobStatus.COMPLETED, deduplicated=True, job=None)


async def test_the_added_job_comes_along_with_its_defaults_resolved(script: Script, client: Client) -> None:
    job = job_pb2.Job(id="job-1", queue="default", max_retries=4)
    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse(job_id="job-1", job=job))

    enqueued = await client.enqueue("send_email")

    assert enqueued.job is not None
    assert (enqueued.job.id, enqueued.job.max_retries) == ("job-1", 4)


async def test_every_call_makes_a_random_key_of_its_own(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", ADDED, ADDED)

    await client.enqueue("send_email")
    await client.enqueue("send_email")

    first, second = (uuid.UUID(request.job.idempotency_key) for request in script.requests("EnqueueJob"))
    assert (first.version, second.version) == (4, 4)
    assert first != second


async def test_retries_keep_the_key_of_their_call(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", UNAVAILABLE, UNAVAILABLE, ADDED)

    enqueued = await client.enqueue("send_email")

    requests = script.requests("EnqueueJob")
    assert enqueued.id == "job-1"
    assert [request.job.idempotency_key for request in requests] == [requests[0].job.idempotency_key] * 3
    attempts = [call.metadata.get("grpc-previous-rpc-attempts") for call in script.received["EnqueueJob"]]
    assert attempts == [None, "1", "2"]


async def test_a_call_that_a_stopping_server_did_not_begin_is_retried(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", status(grpc.StatusCode.CANCELLED, "CANCELLED"), ADDED)

    assert (await client.enqueue("send_email")).id == "job-1"


async def test_a_server_that_stays_away_is_an_error_after_four_tries(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", *[UNAVAILABLE] * 4)

    with pytest.raises(Unavailable, match="going down") as caught:
        await client.enqueue("send_email")

    assert caught.value.code == "UNAVAILABLE"
    assert len(script.requests("EnqueueJob")) == 4


async def test_a_job_without_a_key_is_never_sent_twice(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", UNAVAILABLE, ADDED)

    with pytest.raises(Unavailable):
        await client.enqueue("send_email", idempotency_key="")

    assert len(script.requests("EnqueueJob")) == 1


async def test_a_mere_check_says_so(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse())

    enqueued = await client.enqueue("send_email", validate_only=True)

    assert script.requests("EnqueueJob")[0].validate_only
    assert enqueued.id == ""


async def test_a_batch_is_one_call_with_a_key_for_each_job(script: Script, client: Client) -> None:
    script.answer("BatchEnqueueJobs", UNAVAILABLE, BATCH_ADDED)

    results = await client.enqueue_many([JobRequest("a", {"n": 1}), JobRequest("b", b"\x00", queue="raw")])

    assert [result.id for result in results] == ["job-1", "job-2"]
    refused, accepted = script.requests("BatchEnqueueJobs")
    assert refused == accepted
    assert [(job.kind, job.queue, job.payload_bytes) for job in accepted.jobs] == [
        ("a", "default", b'{"n":1}'),
        ("b", "raw", b"\x00"),
    ]
    assert len({uuid.UUID(job.idempotency_key) for job in accepted.jobs}) == 2


async def test_a_batch_with_one_job_without_a_key_is_never_sent_twice(script: Script, client: Client) -> None:
    script.answer("BatchEnqueueJobs", UNAVAILABLE, BATCH_ADDED)

    with pytest.raises(Unavailable):
        await client.enqueue_many([JobRequest("a"), JobRequest("b", idempotency_key="")])

    assert len(script.requests("BatchEnqueueJobs")) == 1


async def test_a_batch_of_nothing_makes_no_call(script: Script, client: Client) -> None:
    assert await client.enqueue_many([]) == []
    assert not script.requests("BatchEnqueueJobs")


async def test_a_broken_rule_names_its_fields(script: Script, client: Client) -> None:
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="job.queue", description="does not match", reason="string.pattern"
    )
    script.answer(
        "EnqueueJob",
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "job.queue: does not match",
            error_details_pb2.ErrorInfo(domain="gosynq", reason="VALIDATION_FAILED"),
            error_details_pb2.BadRequest(field_violations=[violation]),
        ),
    )

    with pytest.raises(ValidationFailed, match=r"^job\.queue: does not match$") as caught:
        await client.enqueue("send_email", queue="?")

    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.violations == (
        FieldViolation(field="job.queue", description="does not match", reason="string.pattern"),
    )


async def test_a_key_of_another_job_tells_which(script: Script, client: Client) -> None:
    info = error_details_pb2.ErrorInfo(
        domain="gosynq", reason="IDEMPOTENCY_KEY_REUSED", metadata={"job_id": "job-0", "queue": "mail"}
    )
    script.answer("EnqueueJob", status(grpc.StatusCode.ALREADY_EXISTS, "the key names another job", info))

    with pytest.raises(IdempotencyKeyReused) as caught:
        await client.enqueue("send_email", idempotency_key="k")

    assert caught.value.metadata == {"job_id": "job-0", "queue": "mail"}


async def test_a_full_queue_says_when_to_come_again(script: Script, client: Client) -> None:
    info = error_details_pb2.ErrorInfo(domain="gosynq", reason="QUEUE_FULL")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    script.answer("EnqueueJob", status(grpc.StatusCode.RESOURCE_EXHAUSTED, "full", info, retry))

    with pytest.raises(QueueFull) as caught:
        await client.enqueue("send_email")

    assert caught.value.retry_after == timedelta(seconds=1.5)
    assert len(script.requests("EnqueueJob")) == 1
