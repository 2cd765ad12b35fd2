"""Rows of the database made into values of the domain, and the other way round."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from gosynq_client.worker.outcomes import AttemptError
from gosynq_server.domain.job import (
    Attempt,
    AttemptOutcome,
    Job,
    JobError,
    JobId,
    JobProgress,
    JobStatus,
    Priority,
    Stage,
)
from gosynq_server.domain.queue import Queue, QueueDefaults, QueueLimits, QueueState
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride
from gosynq_server.store.durations import seconds_of, timedelta_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncpg import Record

Row: TypeAlias = "Record"
"""A row as the store hands it to those who read it by the functions here."""


def labels_of(text: str | None) -> Mapping[str, str]:
    """Read a jsonb column of strings by name; null is none of them."""
    return orjson.loads(text) if text else {}


def labels_text(labels: Mapping[str, str]) -> str | None:
    """Write strings by name as a jsonb column."""
    return orjson.dumps(dict(labels)).decode() if labels else None


def retry_policy_of(text: str | None) -> RetryPolicyOverride | None:
    """Read a retry_policy column."""
    if text is None:
        return None
    said = orjson.loads(text)
    return RetryPolicyOverride(
        strategy=None if said.get("strategy") is None else BackoffStrategy(said["strategy"]),
        initial_backoff=timedelta_of(said.get("initial_backoff")),
        multiplier=said.get("multiplier"),
        max_backoff=timedelta_of(said.get("max_backoff")),
        jitter=said.get("jitter"),
    )


def retry_policy_text(policy: RetryPolicyOverride | None) -> str | None:
    """Write a retry_policy column: what is said, durations in seconds."""
    if policy is None:
        return None
    said = {
        "strategy": policy.strategy,
        "initial_backoff": seconds_of(policy.initial_backoff),
        "multiplier": policy.multiplier,
        "max_backoff": seconds_of(policy.max_backoff),
        "jitter": policy.jitter,
    }
    return orjson.dumps({name: value for name, value in said.items() if value is not None}).decode()


def error_text(error: AttemptError, *, lost: bool) -> str:
    """Write an error column; lost marks one that no worker told. The stack trace has a column of its own."""
    said: dict[str, Any] = {
        "type": storable(error.type),
        "message": storable(error.message),
        "non_retryable": error.non_retryable,
    }
    if lost:
        said["lost"] = True
    if error.details is not None:
        said["details"] = storable(error.details.decode("utf-8", "replace"))
    return orjson.dumps(said).decode()


def storable(text: str) -> str:
    """Return a worker's text as PostgreSQL can hold it: NUL and lone surrogates are replaced."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


def queue_of(record: Record, defaults: QueueDefaults) -> Queue:
    """Read a queue, the server's defaults filled in."""
    policy = retry_policy_of(record["retry_policy"])
    priority = record["priority"]
    said = {
        "priority": None if priority is None else Priority(priority),
        "retry_policy": None if policy is None else policy.over(defaults.retry_policy),
        **{name: record[name] for name in _PLAIN_SETTINGS},
    }
    resolved = {name: getattr(defaults, name) if value is None else value for name, value in said.items()}
    return Queue(
        name=record["name"],
        state=QueueState(record["state"]),
        defaults=QueueDefaults(**resolved),
        limits=QueueLimits(**{limit.name: record[limit.name] for limit in fields(QueueLimits)}),
    )


_PLAIN_SETTINGS = (
    "max_retries",
    "max_deliveries",
    "lease_duration",
    "attempt_timeout",
    "retention",
    "dead_letter_retention",
    "max_payload_bytes",
)


def job_of(record: Record, queue: Queue) -> Job:
    """Read a job, its queue's settings filled in; payload, result and headers where the row has them."""
    defaults = queue.defaults
    whole = "payload" in record
    return Job(
        id=JobId(str(record["id"])),
        queue=record["queue"],
        kind=record["kind"],
        status=JobStatus(record["status"]),
        stage=Stage(record["stage"]),
        priority=Priority(record["priority"]),
        payload=record["payload"] if whole else None,
        content_type=record["content_type"],
        max_retries=_either(record["max_retries"], defaults.max_retries),
        max_deliveries=_either(record["max_deliveries"], defaults.max_deliveries),
        failures=record["failures"],
        deliveries=record["deliveries"],
        retry_policy=queue.retry_policy_of(retry_policy_of(record["retry_policy"])),
        lease_duration=_either(record["lease_duration"], defaults.lease_duration),
        attempt_timeout=_either(record["attempt_timeout"], defaults.attempt_timeout),
        retention=_either(record["retention"], _retention(record["status"], defaults)),
        created_at=record["created_at"],
        run_at=record["run_at"],
        started_at=_either(record["started_at"], record["last_started_at"]),
        finished_at=record["finished_at"],
        updated_at=record["updated_at"],
        expires_at=record["expires_at"],
        labels=labels_of(record["labels"]),
        headers=labels_of(record["headers"]) if whole else {},
        lease_seq=record["lease_seq"],
        lease_expires_at=record["lease_expires_at"],
        cancel_requested_at=record["cancel_requested_at"],
        progress=_progress_of(record["progress"]),
        result=record["result"] if whole else None,
        last_error=_last_error_of(record),
        revision=record["revision"],
        fairness_key=record["fairness_key"],
        **{name: record[name] or "" for name in _NULLABLE_TEXTS},
    )


_NULLABLE_TEXTS = (
    "idempotency_key",
    "schedule_id",
    "worker_id",
    "result_content_type",
    "concurrency_key",
    "ordering_key",
)


def attempt_of(record: Record) -> Attempt:
    """Read an attempt."""
    error = record["error"]
    return Attempt(
        lease_seq=record["lease_seq"],
        attempt=record["attempt"],
        worker_id=record["worker_id"],
        started_at=record["started_at"],
        finished_at=record["finished_at"],
        outcome=AttemptOutcome(record["outcome"]),
        error=None
        if error is None
        else _error_of(error, record["stack_trace"], record["attempt"], record["finished_at"]),
    )


def _either(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _retention(status: str, defaults: QueueDefaults) -> timedelta:
    return defaults.dead_letter_retention if status == JobStatus.FAILED else defaults.retention


def _progress_of(text: str | None) -> JobProgress | None:
    if text is None:
        return None
    said = orjson.loads(text)
    return JobProgress(
        current=said["current"],
        total=said["total"],
        message=said["message"],
        updated_at=datetime.fromisoformat(said["updated_at"]),
    )


def _last_error_of(record: Record) -> JobError | None:
    text = record["last_error"]
    if text is None:
        return None
    return _error_of(text, record["last_stack_trace"], record["last_attempt"], record["last_failed_at"])


def _error_of(text: str, stack_trace: str, attempt: int, occurred_at: datetime) -> JobError:
    said = orjson.loads(text)
    details = said.get("details")
    return JobError(
        type=said["type"],
        message=said["message"],
        stack_trace=stack_trace,
        non_retryable=said["non_retryable"],
        details=None if details is None else details.encode(),
        attempt=attempt,
        occurred_at=occurred_at,
    )
