"""A queue: what it lets through, and what its jobs get that do not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.domain.retry import RetryPolicy, RetryPolicyOverride


class QueueState(StrEnum):
    """What a queue lets through."""

    ACTIVE = "active"
    PAUSED = "paused"
    DRAINING = "draining"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDefaults:
    """What jobs get that do not say otherwise."""

    priority: Priority = Priority.NORMAL
    max_retries: int = 4
    max_deliveries: int = 5
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    lease_duration: timedelta = timedelta(seconds=30)
    attempt_timeout: timedelta | None = None
    retention: timedelta = timedelta(hours=24)
    dead_letter_retention: timedelta = timedelta(days=14)
    max_payload_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What a queue may do at most; None means no limit.

    lease_burst None means the rate, rounded up. The size of payloads is among QueueDefaults, as the server has one.
    """

    max_concurrency: int | None = None
    max_concurrency_per_key: int | None = None
    max_leases_per_second: float | None = None
    lease_burst: int | None = None
    max_pending: int | None = None

    @property
    def lease_interval(self) -> timedelta | None:
        """The time between two leases at the rate, where there is one."""
        return None if self.max_leases_per_second is None else timedelta(seconds=1 / self.max_leases_per_second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A named line of jobs, its defaults resolved."""

    name: str
    state: QueueState = QueueState.ACTIVE
    defaults: QueueDefaults = field(default_factory=QueueDefaults)
    limits: QueueLimits = field(default_factory=QueueLimits)

    def retry_policy_of(self, override: RetryPolicyOverride | None) -> RetryPolicy:
        """Return the policy of a job that says this much of it."""
        return self.defaults.retry_policy if override is None else override.over(self.defaults.retry_policy)

    def priority_of(self, spec: JobSpec) -> Priority:
        """Return the priority that a job of this spec gets."""
        return self.defaults.priority if spec.priority is None else spec.priority
