"""A job is told in full or in short, and a list is asked as it was meant."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import json_format

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.job import AttemptOutcome, Job, JobProgress, JobStatus, Priority, Stage
from gosynq_server.domain.listing import AttemptPage, JobPage, JobQuery
from gosynq_server.rpc.convert_jobs import (
    attempt_message,
    attempts_message,
    job_message,
    page_message,
    page_size_of,
    query_of,
)
from tests.unit.rpc.factories import NOON, a_job, an_attempt, an_error

NOON_TEXT = "2026-03-01T12:00:00.250Z"


def told(message: job_pb2.Job | job_pb2.JobAttempt) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def test_a_waiting_job_is_told_in_short() -> None:
    assert told(job_message(a_job(), full=False)) == {
        "id": "0195e7a4-5a5a-7000-8000-000000000001",
        "queue": "mail",
        "kind": "send_email",
        "status": "JOB_STATUS_PENDING",
        "priority": "JOB_PRIORITY_HIGH",
        "max_retries": 4,
        "max_deliveries": 5,
        "attempt": 3,
        "retry_policy": {
            "strategy": "BACKOFF_STRATEGY_EXPONENTIAL",
            "initial_backoff": "5s",
            "multiplier": 2.0,
            "max_backoff": "3600s",
            "jitter": 0.2,
        },
        "run_at": NOON_TEXT,
        "created_at": NOON_TEXT,
        "updated_at": NOON_TEXT,
        "lease_duration": "30s",
        "retention": "86400s",
        "revision": "1",
    }


def a_running_job() -> Job:
    return a_job(
        status=JobStatus.PROCESSING,
        stage=Stage.RUNNING,
        started_at=NOON,
        worker_id="w-1",
        lease_expires_at=NOON,
        cancel_requested_at=NOON,
        expires_at=NOON,
        attempt_timeout=timedelta(minutes=1),
        labels={"tenant": "acme"},
        schedule_id="nightly",
        idempotency_key="k",
        progress=JobProgress(current=1, total=2, message="half", updated_at=NOON),
        last_error=an_error(),
    )


def test_a_running_job_is_told_with_its_lease_progress_and_last_error() -> None:
    waiting, running = told(job_message(a_job(), full=False)), told(job_message(a_running_job(), full=False))

    assert {name: value for name, value in running.items() if value != waiting.get(name)} == {
        "status": "JOB_STATUS_PROCESSING",
        "started_at": NOON_TEXT,
        "locked_by": "w-1",
        "locked_at": NOON_TEXT,
        "lease_expires_at": NOON_TEXT,
        "cancel_requested_at": NOON_TEXT,
        "expires_at": NOON_TEXT,
        "attempt_timeout": "60s",
        "labels": {"tenant": "acme"},
        "schedule_id": "nightly",
        "idempotency_key": "k",
        "progress": {"current": "1", "total": "2", "message": "half", "updated_at": NOON_TEXT},
        "last_error": {
            "type": "SmtpTimeout",
            "message": "no answer",
            "non_retryable": True,
            "details": {"host": "a"},
            "attempt": 2,
            "occurred_at": NOON_TEXT,
        },
    }


def test_the_full_view_adds_contents_headers_and_the_stack_trace() -> None:
    short, full = (told(job_message(a_running_job(), full=whole)) for whole in (False, True))

    assert {name: value for name, value in full.items() if value != short.get(name)} == {
        "payload": {"n": 1.0},
        "headers": {"traceparent": "00-1"},
        "last_error": short["last_error"] | {"stack_trace": "line 1"},
    }


def test_a_job_that_is_not_processing_is_locked_by_nobody() -> None:
    message = job_message(a_job(worker_id="w-1", started_at=NOON), full=False)

    assert (message.locked_by, message.HasField("locked_at")) == ("", False)


def test_only_a_failed_job_is_a_dead_letter() -> None:
    failed = job_message(a_job(status=JobStatus.FAILED, finished_at=NOON), full=False)
    completed = job_message(a_job(status=JobStatus.COMPLETED, finished_at=NOON), full=False)

    assert failed.dead_lettered_at == failed.finished_at
    assert not completed.HasField("dead_lettered_at")


def test_contents_that_are_no_json_object_stay_bytes_with_their_type() -> None:
    job = a_job(payload=b"\x00", content_type="image/png", result=b"[1]", result_content_type="application/json")
    message = job_message(job, full=True)

    assert (message.payload_bytes, message.content_type) == (b"\x00", "image/png")
    assert (message.result_bytes, message.result_content_type) == (b"[1]", "application/json")


def test_a_result_that_is_a_json_object_comes_as_one() -> None:
    message = job_message(a_job(payload=None, result=b"{}", result_content_type="application/json"), full=True)

    assert (message.WhichOneof("content"), message.WhichOneof("output")) == (None, "result")
    assert (message.content_type, message.result_content_type) == ("", "")


def test_an_error_without_details_has_none() -> None:
    message = job_message(a_job(last_error=an_error(details=None)), full=False)

    assert not message.last_error.HasField("details")


def test_an_attempt_is_told_with_its_stack_trace() -> None:
    assert told(attempt_message(an_attempt())) == {
        "lease_sequence": "7",
        "attempt": 2,
        "worker_id": "w-1",
        "started_at": NOON_TEXT,
        "finished_at": "2026-03-01T12:00:01.250Z",
        "outcome": "ATTEMPT_OUTCOME_FAILED",
        "error": told(job_message(a_job(last_error=an_error()), full=True))["last_error"],
    }


def test_a_running_attempt_has_no_end() -> None:
    message = attempt_message(an_attempt(outcome=AttemptOutcome.RUNNING, finished_at=None, error=None))

    assert (message.outcome, message.HasField("finished_at"), message.HasField("error")) == (0, False, False)


def test_a_list_that_asks_for_nothing_asks_for_the_newest_fifty() -> None:
    assert query_of(job_service_pb2.ListJobsRequest()) == JobQuery()


def test_a_list_is_asked_with_every_condition() -> None:
    request = job_service_pb2.ListJobsRequest(
        status=[job_pb2.JOB_STATUS_FAILED, job_pb2.JOB_STATUS_PENDING, job_pb2.JOB_STATUS_FAILED],
        queue=["a", "b"],
        kind=["k"],
        priority=[job_pb2.JOB_PRIORITY_CRITICAL, job_pb2.JOB_PRIORITY_LOW],
        filter="attempt > 1",
        order_by="created_at",
        page_size=7,
        page_token="t",
        view=job_pb2.JOB_VIEW_FULL,
    )

    assert query_of(request) == JobQuery(
        statuses=(JobStatus.PENDING, JobStatus.FAILED),
        queues=("a", "b"),
        kinds=("k",),
        priorities=(Priority.LOW, Priority.CRITICAL),
        filter="attempt > 1",
        newest_first=False,
        page_size=7,
        page_token="t",
        with_content=True,
    )


def test_an_unspecified_status_or_priority_means_any() -> None:
    request = job_service_pb2.ListJobsRequest(
        status=[job_pb2.JOB_STATUS_UNSPECIFIED, job_pb2.JOB_STATUS_FAILED],
        priority=[job_pb2.JOB_PRIORITY_LOW, job_pb2.JOB_PRIORITY_UNSPECIFIED],
    )

    assert query_of(request) == JobQuery()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (job_service_pb2.ListJobsRequest(kind=["a", "\0"]), "kind[1]"),
        (job_service_pb2.ListJobsRequest(filter='kind = "\0"'), "filter"),
        (job_service_pb2.ListJobsRequest(page_token="\0"), "page_token"),
    ],
)
def test_a_list_with_a_nul_is_refused_by_name(request_: job_service_pb2.ListJobsRequest, field: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        query_of(request_)

    assert caught.value.violations[0].field == field


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_size_is_the_default_the_asked_or_the_most(asked: int, given: int) -> None:
    assert page_size_of(asked) == given


def test_pages_keep_order_and_token() -> None:
    jobs = page_message(JobPage(jobs=(a_job(kind="a"), a_job(kind="b")), next_page_token="n"), full=True)
    attempts = attempts_message(AttemptPage(attempts=(an_attempt(), an_attempt(lease_seq=6)), next_page_token=""))

    assert ([job.kind for job in jobs.jobs], jobs.next_page_token) == (["a", "b"], "n")
    assert ([attempt.lease_sequence for attempt in attempts.attempts], attempts.next_page_token) == ([7, 6], "")
