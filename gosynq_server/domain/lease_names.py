"""What a lease is named by: inside, and in the token that a worker proves it with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gosynq_server.domain.errors import FieldViolation, ValidationFailed

if TYPE_CHECKING:
    from gosynq_client.worker.outcomes import Outcome

_TOKEN = re.compile(r"([1-9][0-9]{0,8})\.([A-Za-z0-9][A-Za-z0-9_.-]{0,127})")


class LeaseName(Protocol):
    """What tells a lease from all others: a job of a queue, and the sequence that rises with each of its leases."""

    @property
    def job_id(self) -> str:
        """The job's id."""
        ...

    @property
    def queue(self) -> str:
        """The job's queue."""
        ...

    @property
    def lease_seq(self) -> int:
        """The lease's number."""
        ...


class Told(Protocol):
    """What a worker says that an attempt came to."""

    @property
    def lease(self) -> LeaseName:
        """The attempt's lease."""
        ...

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        ...


class Progress(Protocol):
    """How far a worker says that an attempt is."""

    @property
    def lease(self) -> LeaseName:
        """The attempt's lease."""
        ...

    @property
    def current(self) -> int:
        """What is done."""
        ...

    @property
    def total(self) -> int:
        """What there is to do; 0 when not known."""
        ...

    @property
    def message(self) -> str:
        """A line for a person."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRef:
    """A lease by its name."""

    job_id: str
    queue: str
    lease_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteProgress:
    """How far the attempt under a lease is, in its worker's own unit; total is 0 when not known."""

    lease: LeaseRef
    current: int
    total: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteResult:
    """A result that came in for a lease that is known by its name only."""

    lease: LeaseRef
    outcome: Outcome


def ref_of(lease: LeaseName) -> LeaseRef:
    """Return a lease by its name alone."""
    return LeaseRef(job_id=lease.job_id, queue=lease.queue, lease_seq=lease.lease_seq)


def lease_token(queue: str, lease_seq: int) -> str:
    """Return what a worker names a lease by, beside its job: everything that the database looks it up by."""
    return f"{lease_seq}.{queue}"


def parse_lease(job_id: str, token: str, *, field: str = "lease_token") -> LeaseRef:
    """Return the lease of a job that a token names; raise ValidationFailed, by its field, for another token."""
    named = _TOKEN.fullmatch(token)
    if named is None:
        problem = "is no token that this service has given out"
        raise ValidationFailed((FieldViolation(field=field, description=problem, reason="lease_token.form"),))
    return LeaseRef(job_id=job_id, queue=named[2], lease_seq=int(named[1]))
