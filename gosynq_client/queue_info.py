"""What a queue is: its state, limits, defaults and order, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict

from gosynq_client.jobs import Priority, RetryPolicy


class QueueState(StrEnum):
    """What a queue lets through; UNKNOWN is a state that this client is too old to know."""

    ACTIVE = "active"
    PAUSED = "paused"
    DRAINING = "draining"
    DELETING = "deleting"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What a queue may do at most. None: no limit where it was read, left as it is where it is sent."""

    max_concurrency: int | None = None
    max_leases_per_second: float | None = None
    lease_burst: int | None = None
    max_pending: int | None = None
    max_concurrency_per_key: int | None = None
    max_payload_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDefaults:
    """What jobs get that do not say otherwise. None: the server's where it was read, left as it is where it is sent."""

    priority: Priority | None = None
    max_retries: int | None = None
    retry_policy: RetryPolicy | None = None
    lease_duration: timedelta | None = None
    attempt_timeout: timedelta | None = None
    retention: timedelta | None = None
    dead_letter_retention: timedelta | None = None
    max_deliveries: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOrder:
    """In which order a queue hands out what waits. None: 10 min where it was read, left as it is where it is sent.

    `priority_ageing` is how much waiting makes up for one level of priority, unless `strict_priorities`.
    `fairness_weights` are how many jobs of a fairness key are handed out at each of its turns, where that is not 1;
    sent, they take the place of all that there are.
    """

    priority_ageing: timedelta | None = None
    strict_priorities: bool | None = None
    fairness_weights: Mapping[str, int] | None = None


class QueueSettings(TypedDict, total=False):
    """What of a queue can be changed: what is said in each, and nothing else of it."""

    description: str
    limits: QueueLimits
    defaults: QueueDefaults
    order: QueueOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """What is in a queue: jobs by what they do, workers, and rates over the last minute."""

    ready: int
    scheduled: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    oldest_ready_age: timedelta | None
    workers: int
    enqueued_per_second: float
    completed_per_second: float
    failed_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue as the server holds it; `stats` is None where it was not asked for. Moments are aware, in UTC."""

    name: str
    state: QueueState
    state_reason: str
    state_changed_at: datetime | None
    limits: QueueLimits = field(default_factory=QueueLimits)
    defaults: QueueDefaults = field(default_factory=QueueDefaults)
    order: QueueOrder = field(default_factory=QueueOrder)
    description: str
    created_at: datetime
    updated_at: datetime
    etag: str
    stats: QueueStats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTotals:
    """How many jobs there are in all queues, by status."""

    total_jobs: int
    pending_jobs: int
    processing_jobs: int
    completed_jobs: int
    failed_jobs: int
    cancelled_jobs: int
