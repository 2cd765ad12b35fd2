"""Jobs with everything set, and rows of events, for comparing whole values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from gosynq_client.worker.leases import Lease
from gosynq_server.domain.event import EventRow, Position
from gosynq_server.domain.job import Attempt, AttemptOutcome, Job, JobError, JobId, JobStatus, Priority, Stage
from gosynq_server.domain.lease_names import lease_token
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.retry import RetryPolicy

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def an_error(**changes: Any) -> JobError:
    values: dict[str, Any] = {
        "type": "SmtpTimeout",
        "message": "no answer",
        "stack_trace": "line 1",
        "non_retryable": True,
        "details": b'{"host":"a"}',
        "attempt": 2,
        "occurred_at": NOON,
    }
    return JobError(**values | changes)


def a_job(**changes: Any) -> Job:
    values: dict[str, Any] = {
        "id": JobId("0195e7a4-5a5a-7000-8000-000000000001"),
        "queue": "mail",
        "kind": "send_email",
        "status": JobStatus.PENDING,
        "stage": Stage.READY,
        "priority": Priority.HIGH,
        "payload": b'{"n":1}',
        "content_type": "application/json",
        "max_retries": 4,
        "max_deliveries": 5,
        "failures": 1,
        "deliveries": 2,
        "retry_policy": RetryPolicy(),
        "lease_duration": timedelta(seconds=30),
        "attempt_timeout": None,
        "retention": timedelta(hours=24),
        "created_at": NOON,
        "run_at": NOON,
        "updated_at": NOON,
        "headers": {"traceparent": "00-1"},
    }
    return Job(**values | changes)


def a_lease(**changes: Any) -> Lease:
    values: dict[str, Any] = {
        "job_id": "0195e7a4-5a5a-7000-8000-000000000001",
        "queue": "mail",
        "kind": "send_email",
        "priority": Priority.HIGH,
        "lease_seq": 7,
        "attempt": 2,
        "payload": b'{"n":1}',
        "content_type": "application/json",
        "labels": {"team": "a"},
        "headers": {"traceparent": "00-1"},
        "max_retries": 4,
        "created_at": NOON,
        "run_at": NOON,
        "leased_at": NOON + timedelta(seconds=5),
        "lease_duration": timedelta(seconds=30),
        "attempt_timeout": None,
    } | changes
    return Lease(lease_token=lease_token(values["queue"], values["lease_seq"]), **values)


def an_attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {
        "lease_seq": 7,
        "attempt": 2,
        "worker_id": "w-1",
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=1),
        "outcome": AttemptOutcome.FAILED,
        "error": an_error(),
    }
    return Attempt(**values | changes)


def a_row(count: int = 1, **changes: Any) -> EventRow:
    """Make a row of that many events, of jobs that differ in their ids alone."""
    values: dict[str, Any] = {
        "base": Position(tick=41, made_at=1_772_366_400_250_000),
        "id": 8,
        "occurred_at": NOON,
        "type": EventType.CREATED,
        "queue": "mail",
        "status": JobStatus.PENDING,
        "worker_id": None,
        "job_ids": [JobId(f"0195e7a4-5a5a-7000-8000-{number:012}") for number in range(count)],
        "kinds": ["send_email"] * count,
        "priorities": [int(Priority.HIGH)] * count,
        "attempts": [0] * count,
        "revisions": [1] * count,
        "labels": None,
        "details": None,
    }
    return EventRow(**values | changes)
