"""What is known of one job and of what may hold it, read at one moment."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from gosynq_server.domain.explanation import AHEAD_BOUND, Situation
from gosynq_server.domain.job import JobStatus, Stage
from gosynq_server.domain.queue import QueueLimits, QueueState
from gosynq_server.domain.worker import FORGOTTEN_AFTER

if TYPE_CHECKING:
    from gosynq_server.domain.job import JobId
    from gosynq_server.store.database import Executor
    from gosynq_server.store.records import Row

_AS_THEY_ARE = (
    "seen_at",
    "queue",
    "kind",
    "run_at",
    "lease_expires_at",
    "expires_at",
    "running_count",
    "rate_opens_at",
    "key_running_count",
    "ahead_count",
    "has_rival_keys",
)
_TEXTS = ("worker_id", "state_reason", "concurrency_key", "ordering_key", "before_id")
_LIMITS = {limit.name for limit in fields(QueueLimits)} - {"max_pending"}


async def situation(executor: Executor, job: JobId) -> Situation | None:
    """Read the situation of a job, or None where there is no such job."""
    rows = await executor.fetch("jobs_explain", job, AHEAD_BOUND, FORGOTTEN_AFTER)
    return _situation_of(rows[0]) if rows else None


def _situation_of(row: Row) -> Situation:
    texts: dict[str, Any] = {name: row[name] or "" for name in _TEXTS}
    return Situation(
        status=JobStatus(row["status"]),
        is_ready=row["stage"] == Stage.READY,
        attempts=row["failures"] + row["deliveries"],
        state=QueueState(row["state"] or QueueState.ACTIVE),
        limits=QueueLimits(**{name: row[name] for name in _LIMITS}),
        key_taken_count=row["key_running_count"] + row["key_ready_count"],
        workers_for_queue=row["for_queue"],
        workers_for_kind=row["for_kind"],
        has_free_worker=row["is_free"],
        **{name: row[name] for name in _AS_THEY_ARE},
        **texts,
    )
