"""What callers say of jobs to add, and the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.job import JSON_CONTENT_TYPE, JobSpec
from gosynq_server.domain.retry import RetryPolicyOverride
from gosynq_server.rpc.convert import (
    DEBOUNCE_MODES,
    PRIORITIES,
    PRIORITY_NUMBERS,
    STATUS_NUMBERS,
    STRATEGIES,
    STRATEGY_NUMBERS,
    duration,
    given,
    length_given,
    moment_of,
    text_of,
    texts_of,
)
from gosynq_server.rpc.convert_content import checked_json, json_of, struct_of
from gosynq_server.rpc.convert_jobs import job_message

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from google.protobuf.message import Message

    from gosynq_server.service.enqueue import Enqueued


def spec_of(spec: job_pb2.JobSpec, path: str = "job") -> JobSpec:
    """Return what a caller says of a job that keeps the schema's rules; ValidationFailed names fields below path."""
    payload, content_type = _content_of(spec, path)
    return JobSpec(
        queue=spec.queue,
        kind=spec.kind,
        payload=payload,
        content_type=content_type,
        priority=PRIORITIES[spec.priority],
        max_retries=given(spec, "max_retries"),
        max_deliveries=given(spec, "max_deliveries"),
        run_at=_moment(spec, "run_at", path),
        delay=length_given(spec, "delay", path),
        idempotency_key=spec.idempotency_key,
        labels=texts_of(spec.labels, f"{path}.labels"),
        headers=texts_of(spec.headers, f"{path}.headers"),
        retry_policy=policy_of(spec.retry_policy, f"{path}.retry_policy") if spec.HasField("retry_policy") else None,
        lease_duration=length_given(spec, "lease_duration", path),
        attempt_timeout=length_given(spec, "attempt_timeout", path),
        expires_at=_moment(spec, "expires_at", path),
        retention=length_given(spec, "retention", path),
        concurrency_key=spec.concurrency_key,
        ordering_key=spec.ordering_key,
        fairness_key=spec.fairness_key,
        debounce_key=spec.debounce_key,
        debounce_mode=DEBOUNCE_MODES[spec.debounce_mode],
    )


def specs_of(specs: Iterable[job_pb2.JobSpec]) -> list[JobSpec]:
    """Return the specs of a batch, in order; ValidationFailed names fields as jobs[17].queue."""
    return [spec_of(spec, f"jobs[{index}]") for index, spec in enumerate(specs)]


def spec_message(spec: JobSpec) -> job_pb2.JobSpec:
    """Return what a schedule says of its job, as callers get it."""
    message = job_pb2.JobSpec(
        queue=spec.queue,
        kind=spec.kind,
        priority=job_pb2.JOB_PRIORITY_UNSPECIFIED if spec.priority is None else PRIORITY_NUMBERS[spec.priority],
        max_retries=spec.max_retries,
        max_deliveries=spec.max_deliveries,
        labels=spec.labels,
        headers=spec.headers,
        retry_policy=None if spec.retry_policy is None else policy_message(spec.retry_policy),
        lease_duration=duration(spec.lease_duration),
        attempt_timeout=duration(spec.attempt_timeout),
        retention=duration(spec.retention),
        concurrency_key=spec.concurrency_key,
        ordering_key=spec.ordering_key,
        fairness_key=spec.fairness_key,
    )
    if (struct := struct_of(spec.payload, spec.content_type)) is not None:
        message.payload.CopyFrom(struct)
    else:
        message.payload_bytes, message.content_type = spec.payload, spec.content_type
    return message


def enqueued_message(enqueued: Enqueued) -> job_service_pb2.EnqueueJobResponse:
    """Return the answer to one enqueue, with the job and the cursor where they are known."""
    return job_service_pb2.EnqueueJobResponse(
        job_id=enqueued.job_id,
        status=STATUS_NUMBERS[enqueued.status],
        deduplicated=enqueued.deduplicated,
        job=None if enqueued.job is None else job_message(enqueued.job, full=False),
        cursor="" if enqueued.begin is None else encode_cursor(enqueued.begin),
    )


def batch_message(results: Iterable[Enqueued]) -> job_service_pb2.BatchEnqueueJobsResponse:
    """Return the answer to a batch, in its order."""
    return job_service_pb2.BatchEnqueueJobsResponse(results=map(enqueued_message, results))


def _content_of(spec: job_pb2.JobSpec, path: str) -> tuple[bytes, str]:
    match spec.WhichOneof("content"):
        case "payload":
            return json_of(spec.payload, f"{path}.payload"), JSON_CONTENT_TYPE
        case "payload_bytes" if spec.content_type == JSON_CONTENT_TYPE:
            return checked_json(spec.payload_bytes, f"{path}.payload_bytes"), JSON_CONTENT_TYPE
        case "payload_bytes":
            return spec.payload_bytes, text_of(spec.content_type, f"{path}.content_type")
        case _:
            return b"{}", JSON_CONTENT_TYPE


def policy_of(policy: job_pb2.RetryPolicy, path: str) -> RetryPolicyOverride:
    """Return what a caller says of a retry policy; ValidationFailed names fields below path."""
    return RetryPolicyOverride(
        strategy=STRATEGIES[policy.strategy],
        initial_backoff=length_given(policy, "initial_backoff", path),
        multiplier=given(policy, "multiplier"),
        max_backoff=length_given(policy, "max_backoff", path),
        jitter=given(policy, "jitter"),
    )


_UNSAID_STRATEGY = job_pb2.BACKOFF_STRATEGY_UNSPECIFIED


def policy_message(policy: RetryPolicyOverride) -> job_pb2.RetryPolicy:
    """Return what is said of a retry policy, as callers get it."""
    return job_pb2.RetryPolicy(
        strategy=_UNSAID_STRATEGY if policy.strategy is None else STRATEGY_NUMBERS[policy.strategy],
        initial_backoff=duration(policy.initial_backoff),
        multiplier=policy.multiplier,
        max_backoff=duration(policy.max_backoff),
        jitter=policy.jitter,
    )


def _moment(message: Message, name: str, path: str) -> datetime | None:
    return moment_of(getattr(message, name), f"{path}.{name}") if message.HasField(name) else None
