"""A worker: what it takes, and what passes between it and a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gosynq_client.worker.leases import Lease, RefusalReason
    from gosynq_server.domain.job import JobStatus
    from gosynq_server.domain.lease_names import LeaseRef

LONGEST_HEARTBEAT_SECONDS = 10.0

LOST_AFTER = timedelta(seconds=3 * LONGEST_HEARTBEAT_SECONDS)
"""How long a worker is not heard of until it counts as lost."""

FORGOTTEN_AFTER = 2 * LOST_AFTER
"""How long the row of a worker is not renewed until there is no such worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A queue that a worker takes from: its share of what is taken, and how many of its jobs at once (None: all)."""

    queue: str
    weight: int = 1
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMake:
    """What a worker says that it is made of."""

    sdk: str = ""
    language: str = ""
    build: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProfile:
    """Who a worker is and what it takes; without kinds everything. lease_duration overrides that of the jobs."""

    worker_id: str
    subscriptions: Sequence[Subscription]
    kinds: Sequence[str] = ()
    lease_duration: timedelta | None = None
    make: WorkerMake = field(default_factory=WorkerMake)


class WorkerState(StrEnum):
    """What a worker is doing."""

    ACTIVE = "active"
    DRAINING = "draining"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A worker as all servers know it; without subscriptions it takes from every queue, without a server it polls."""

    profile: WorkerProfile
    state: WorkerState
    server_id: str
    in_flight: int
    max_in_flight: int
    connected_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPage:
    """A page of workers, by their ids; an empty token ends the list."""

    workers: tuple[WorkerInfo, ...]
    next_page_token: str


def state_of(*, silence: timedelta, is_drained: bool) -> WorkerState:
    """Judge what a worker is doing that was last heard of so long ago."""
    if silence > LOST_AFTER:
        return WorkerState.LOST
    return WorkerState.DRAINING if is_drained else WorkerState.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseStatus:
    """What became of a lease; it holds where expires_at says until when, which is valid_for from now."""

    lease: LeaseRef
    expires_at: datetime | None = None
    valid_for: timedelta | None = None
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """New leases."""

    leases: Sequence[Lease]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What became of a result: applied, or refused for a reason; the job's status now, if there is such a job."""

    lease: LeaseRef
    refused: RefusalReason | None
    job_status: JobStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Results that are committed, or refused."""

    acks: Sequence[Ack]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """A cancel of a job that the worker holds; lease_lost says that the lease is void already."""

    lease: LeaseRef
    reason: str
    lease_lost: bool = False


Delivery: TypeAlias = Granted | Acknowledged | CancelAsked
"""What a session has to tell its worker by itself."""
