"""Leases and what passes between a worker and where its leases come from: values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from gosynq_client.worker.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A job handed to this worker for lease_duration from leased_at on, unless it is extended.

    (job_id, lease_seq) names the lease; lease_token proves it. payload is in the form that content_type says.
    """

    job_id: str
    queue: str
    kind: str
    priority: int
    lease_seq: int
    lease_token: str
    attempt: int
    payload: bytes
    content_type: str
    labels: Mapping[str, str]
    headers: Mapping[str, str]
    max_retries: int
    created_at: datetime
    run_at: datetime
    leased_at: datetime
    lease_duration: timedelta
    attempt_timeout: timedelta | None


class LeaseState(StrEnum):
    """Whether a lease still holds."""

    ACTIVE = "active"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What became of a lease that was to be extended; cancel_reason is empty unless cancel_requested."""

    lease: Lease
    state: LeaseState
    cancel_requested: bool = False
    cancel_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the attempt under a lease came to."""

    lease: Lease
    outcome: Outcome


class RefusalReason(StrEnum):
    """Why a result was not applied."""

    ALREADY_APPLIED = "already_applied"
    LEASE_LOST = "lease_lost"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A result that was not applied and is not to be offered again."""

    lease: Lease
    reason: RefusalReason
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """New leases, and the refused ones among the offered results; an applied result is not listed.

    replaced: what the source made of offered results that it could not apply as they were. granted_at: a reading of
    time.monotonic() from which on each lease has its duration; none: the leases were granted during the exchange.
    """

    leases: Sequence[Lease] = ()
    refusals: Sequence[Refusal] = ()
    replaced: Sequence[Result] = ()
    granted_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReport:
    """How far an attempt is, in its handler's own unit; total is 0 when not known."""

    lease: Lease
    current: int
    total: int
    message: str
