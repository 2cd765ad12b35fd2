"""A spec crosses the edge with what was said and nothing more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.job import JobSpec, JobStatus, Priority
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride
from gosynq_server.rpc.convert import timestamp
from gosynq_server.rpc.convert_jobs import job_message
from gosynq_server.rpc.convert_specs import batch_message, enqueued_message, spec_of, specs_of
from gosynq_server.service.enqueue import Enqueued
from tests.unit.rpc.factories import NOON, a_job


def test_a_spec_that_says_little_leaves_the_rest_to_its_queue() -> None:
    assert spec_of(job_pb2.JobSpec(queue="mail")) == JobSpec(queue="mail", kind="")


SENT = job_pb2.JobSpec(
    queue="mail",
    kind="send",
    payload_bytes=b"\x00\xff",
    content_type="application/octet-stream",
    max_retries=0,
    max_deliveries=3,
    priority=job_pb2.JOB_PRIORITY_LOW,
    run_at=timestamp(NOON),
    idempotency_key="k",
    labels={"tenant": "acme"},
    headers={"traceparent": "00"},
    retry_policy=job_pb2.RetryPolicy(
        strategy=job_pb2.BACKOFF_STRATEGY_FIXED,
        initial_backoff=Duration(seconds=1),
        multiplier=3,
        max_backoff=Duration(seconds=9),
        jitter=0,
    ),
    lease_duration=Duration(seconds=60),
    attempt_timeout=Duration(seconds=61),
    expires_at=timestamp(NOON + timedelta(days=1)),
    retention=Duration(),
)
KEPT = JobSpec(
    queue="mail",
    kind="send",
    payload=b"\x00\xff",
    content_type="application/octet-stream",
    priority=Priority.LOW,
    max_retries=0,
    max_deliveries=3,
    run_at=NOON,
    idempotency_key="k",
    labels={"tenant": "acme"},
    headers={"traceparent": "00"},
    retry_policy=RetryPolicyOverride(
        strategy=BackoffStrategy.FIXED,
        initial_backoff=timedelta(seconds=1),
        multiplier=3.0,
        max_backoff=timedelta(seconds=9),
        jitter=0.0,
    ),
    lease_duration=timedelta(minutes=1),
    attempt_timeout=timedelta(seconds=61),
    expires_at=NOON + timedelta(days=1),
    retention=timedelta(),
)


def test_a_spec_that_says_everything_is_kept_whole() -> None:
    assert spec_of(SENT) == KEPT


def test_a_delay_is_kept_as_a_length() -> None:
    assert spec_of(job_pb2.JobSpec(queue="q", delay=Duration(seconds=5))).delay == timedelta(seconds=5)


def test_a_struct_and_its_canonical_bytes_make_the_same_spec() -> None:
    as_struct = job_pb2.JobSpec(queue="q")
    as_struct.payload.update({"b": 1, "a": "x"})
    as_bytes = job_pb2.JobSpec(queue="q", payload_bytes=b'{"a":"x","b":1}', content_type="application/json")

    assert spec_of(as_struct) == spec_of(as_bytes)


def test_an_unsaid_retry_policy_differs_from_an_empty_one() -> None:
    assert spec_of(job_pb2.JobSpec(queue="q", retry_policy=job_pb2.RetryPolicy())).retry_policy == RetryPolicyOverride()
    assert spec_of(job_pb2.JobSpec(queue="q")).retry_policy is None


BROKEN = [
    (job_pb2.JobSpec(payload_bytes=b"{", content_type="application/json"), "job.payload_bytes"),
    (job_pb2.JobSpec(payload_bytes=b"{", content_type="text/\0plain"), "job.content_type"),
    (job_pb2.JobSpec(labels={"a": "\0"}), "job.labels['a']"),
    (job_pb2.JobSpec(headers={"a": "\0"}), "job.headers['a']"),
    (job_pb2.JobSpec(run_at=Timestamp(seconds=2**60)), "job.run_at"),
    (job_pb2.JobSpec(expires_at=Timestamp(seconds=-(2**60))), "job.expires_at"),
    (job_pb2.JobSpec(delay=Duration(seconds=1, nanos=-1)), "job.delay"),
    (
        job_pb2.JobSpec(retry_policy=job_pb2.RetryPolicy(max_backoff=Duration(seconds=1, nanos=-1))),
        "job.retry_policy.max_backoff",
    ),
]


@pytest.mark.parametrize(("spec", "field"), BROKEN, ids=[field for _, field in BROKEN])
def test_what_the_schema_cannot_rule_out_is_refused_by_name(spec: job_pb2.JobSpec, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        spec_of(spec)

    assert caught.value.violations[0].field == field


def test_a_batch_names_its_broken_item() -> None:
    good = job_pb2.JobSpec(queue="q")
    assert specs_of([good, good]) == [spec_of(good)] * 2

    with pytest.raises(ValidationFailed) as caught:
        specs_of([good, job_pb2.JobSpec(queue="q", labels={"a": "\0"})])

    assert caught.value.violations[0].field == "jobs[1].labels['a']"


def test_an_answer_holds_the_job_where_there_is_one() -> None:
    job = a_job()
    enqueued = Enqueued(job_id=job.id, status=JobStatus.PENDING, deduplicated=True, job=job)

    assert enqueued_message(enqueued) == job_service_pb2.EnqueueJobResponse(
        job_id=job.id, status=job_pb2.JOB_STATUS_PENDING, deduplicated=True, job=job_message(job, full=False)
    )


def test_a_batch_is_answered_in_order_and_without_jobs() -> None:
    results = [Enqueued(job_id=name, status=JobStatus.COMPLETED, deduplicated=False, job=None) for name in "ab"]

    answer = batch_message(results)

    assert [result.job_id for result in answer.results] == ["a", "b"]
    assert not any(result.HasField("job") for result in answer.results)
