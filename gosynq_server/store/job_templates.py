"""The job that a schedule makes, as its row holds it: columns for what every job has, JSON for what it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.store.durations import seconds_of, timedelta_of
from gosynq_server.store.records import retry_policy_of, retry_policy_text

if TYPE_CHECKING:
    from asyncpg import Record

_PLAIN = ("max_retries", "max_deliveries", "labels", "headers", "concurrency_key", "ordering_key", "fairness_key")
_LENGTHS = ("lease_duration", "attempt_timeout", "retention")


def settings_text(job: JobSpec) -> str:
    """Write a settings column: what is said, lengths of time in seconds."""
    policy = retry_policy_text(job.retry_policy)
    said: dict[str, Any] = {
        "priority": job.priority,
        "retry_policy": None if policy is None else orjson.Fragment(policy),
        **{name: getattr(job, name) for name in _PLAIN},
        **{name: seconds_of(getattr(job, name)) for name in _LENGTHS},
    }
    return orjson.dumps({name: value for name, value in said.items() if value not in _UNSAID}).decode()


_UNSAID: tuple[object, ...] = (None, "", {})


def template_of(row: Record) -> JobSpec:
    """Read the job of a schedule's row."""
    said = orjson.loads(row["settings"])
    priority, policy = said.get("priority"), said.get("retry_policy")
    lengths: dict[str, Any] = {name: timedelta_of(said.get(name)) for name in _LENGTHS}
    return JobSpec(
        queue=row["queue"],
        kind=row["kind"],
        content_type=row["content_type"],
        payload=row["payload"],
        priority=None if priority is None else Priority(priority),
        retry_policy=None if policy is None else retry_policy_of(orjson.dumps(policy).decode()),
        **{name: said[name] for name in _PLAIN if name in said},
        **lengths,
    )
