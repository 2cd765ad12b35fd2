"""Jobs, attempts and pages as callers get them, and what callers ask of a list."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_server.domain.job import Attempt, Job, JobError, JobProgress, JobStatus, Priority
from gosynq_server.domain.listing import AttemptPage, DeadLetterQuery, JobPage, JobQuery
from gosynq_server.rpc.convert import (
    OUTCOME_NUMBERS,
    PRIORITIES,
    PRIORITY_NUMBERS,
    STATUS_NUMBERS,
    STATUSES,
    STRATEGY_NUMBERS,
    duration,
    moment_of,
    text_of,
    timestamp,
)
from gosynq_server.rpc.convert_content import struct_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq.v1 import admin_service_pb2
    from gosynq_server.domain.retry import RetryPolicy

DEFAULT_PAGE_SIZE = 50
LARGEST_PAGE_SIZE = 1000


def job_message(job: Job, *, full: bool) -> job_pb2.Job:
    """Return a job in the FULL or the BASIC view."""
    processing = job.status is JobStatus.PROCESSING
    message = job_pb2.Job(
        id=job.id,
        queue=job.queue,
        kind=job.kind,
        status=STATUS_NUMBERS[job.status],
        priority=PRIORITY_NUMBERS[job.priority],
        max_retries=job.max_retries,
        attempt=job.attempt,
        retry_policy=_policy_message(job.retry_policy),
        run_at=timestamp(job.run_at),
        created_at=timestamp(job.created_at),
        updated_at=timestamp(job.updated_at),
        started_at=timestamp(job.started_at),
        finished_at=timestamp(job.finished_at),
        expires_at=timestamp(job.expires_at),
        idempotency_key=job.idempotency_key,
        labels=job.labels or None,
        locked_by=job.worker_id if processing else "",
        locked_at=timestamp(job.started_at) if processing else None,
        lease_expires_at=timestamp(job.lease_expires_at),
        lease_duration=duration(job.lease_duration),
        attempt_timeout=duration(job.attempt_timeout),
        progress=_progress_message(job.progress),
        last_error=_error_message(job.last_error, full=full),
        cancel_requested_at=timestamp(job.cancel_requested_at),
        dead_lettered_at=timestamp(job.finished_at) if job.status is JobStatus.FAILED else None,
        schedule_id=job.schedule_id,
        retention=duration(job.retention),
        max_deliveries=job.max_deliveries,
        revision=job.revision,
        concurrency_key=job.concurrency_key,
        ordering_key=job.ordering_key,
        fairness_key=job.fairness_key,
    )
    if full:
        _put_contents(message, job)
    return message


def attempt_message(attempt: Attempt) -> job_pb2.JobAttempt:
    """Return one attempt, its stack trace included."""
    return job_pb2.JobAttempt(
        lease_sequence=attempt.lease_seq,
        attempt=attempt.attempt,
        worker_id=attempt.worker_id,
        started_at=timestamp(attempt.started_at),
        finished_at=timestamp(attempt.finished_at),
        outcome=OUTCOME_NUMBERS[attempt.outcome],
        error=_error_message(attempt.error, full=True),
    )


def query_of(request: job_service_pb2.ListJobsRequest) -> JobQuery:
    """Return what a caller asks of the list; an UNSPECIFIED status or priority means any."""
    return JobQuery(
        statuses=_statuses_of(request.status),
        queues=tuple(request.queue),
        kinds=tuple(text_of(kind, f"kind[{index}]") for index, kind in enumerate(request.kind)),
        priorities=_priorities_of(request.priority),
        filter=text_of(request.filter, "filter"),
        newest_first=request.order_by != "created_at",
        page_size=page_size_of(request.page_size),
        page_token=text_of(request.page_token, "page_token"),
        with_content=request.view == job_pb2.JOB_VIEW_FULL,
    )


def dead_letter_query_of(request: admin_service_pb2.ListDeadLetterJobsRequest) -> DeadLetterQuery:
    """Return what a caller asks of the dead letters."""
    return DeadLetterQuery(
        queues=tuple(request.queue),
        kinds=tuple(text_of(kind, f"kind[{index}]") for index, kind in enumerate(request.kind)),
        error_type=text_of(request.error_type, "error_type"),
        start_at=moment_of(request.start_at, "start_at") if request.HasField("start_at") else None,
        end_at=moment_of(request.end_at, "end_at") if request.HasField("end_at") else None,
        page_size=page_size_of(request.page_size),
        page_token=text_of(request.page_token, "page_token"),
        with_content=request.view == job_pb2.JOB_VIEW_FULL,
    )


def page_size_of(asked: int) -> int:
    """Return how many to give: 0 asks for the default, too many for the most (AIP-158)."""
    return min(asked or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def page_message(page: JobPage, *, full: bool) -> job_service_pb2.ListJobsResponse:
    """Return a page of jobs."""
    jobs = (job_message(job, full=full) for job in page.jobs)
    return job_service_pb2.ListJobsResponse(jobs=jobs, next_page_token=page.next_page_token)


def attempts_message(page: AttemptPage) -> job_service_pb2.ListJobAttemptsResponse:
    """Return a page of attempts."""
    attempts = map(attempt_message, page.attempts)
    return job_service_pb2.ListJobAttemptsResponse(attempts=attempts, next_page_token=page.next_page_token)


def _statuses_of(numbers: Iterable[int]) -> tuple[JobStatus, ...]:
    numbers = set(numbers)
    return () if 0 in numbers else tuple(STATUSES[number] for number in sorted(numbers))


def _priorities_of(numbers: Iterable[int]) -> tuple[Priority, ...]:
    levels = [PRIORITIES[number] for number in sorted(set(numbers))]
    return () if None in levels else tuple(level for level in levels if level is not None)


def _put_contents(message: job_pb2.Job, job: Job) -> None:
    message.headers.update(job.headers)
    if job.payload is not None:
        if (struct := struct_of(job.payload, job.content_type)) is not None:
            message.payload.CopyFrom(struct)
        else:
            message.payload_bytes, message.content_type = job.payload, job.content_type
    if job.result is not None:
        if (struct := struct_of(job.result, job.result_content_type)) is not None:
            message.result.CopyFrom(struct)
        else:
            message.result_bytes, message.result_content_type = job.result, job.result_content_type


# The same few policies come back in every job, and a message that is put into another one is copied.
@lru_cache(maxsize=256)
def _policy_message(policy: RetryPolicy) -> job_pb2.RetryPolicy:
    return job_pb2.RetryPolicy(
        strategy=STRATEGY_NUMBERS[policy.strategy],
        initial_backoff=duration(policy.initial_backoff),
        multiplier=policy.multiplier,
        max_backoff=duration(policy.max_backoff),
        jitter=policy.jitter,
    )


def _progress_message(progress: JobProgress | None) -> job_pb2.JobProgress | None:
    if progress is None:
        return None
    return job_pb2.JobProgress(
        current=progress.current,
        total=progress.total,
        message=progress.message,
        updated_at=timestamp(progress.updated_at),
    )


def _error_message(error: JobError | None, *, full: bool) -> job_pb2.JobError | None:
    if error is None:
        return None
    return job_pb2.JobError(
        type=error.type,
        message=error.message,
        stack_trace=error.stack_trace if full else "",
        non_retryable=error.non_retryable,
        details=None if error.details is None else struct_of(error.details, "application/json"),
        attempt=error.attempt,
        occurred_at=timestamp(error.occurred_at),
    )
