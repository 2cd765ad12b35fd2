"""The leases that were handed out to a worker, and what it made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from gosynq.v1 import job_pb2, worker_pb2
from gosynq_server.domain.ids import new_job_id
from gosynq_server.rpc.convert import duration, timestamp

if TYPE_CHECKING:
    from datetime import timedelta

Key: TypeAlias = tuple[str, str]

# The contract lets leases of two jobs have the same token: a worker that goes by the token alone mixes them up.
_TOKENS = ("first", "second")
_MAX_RETRIES = 4
_OUTCOMES = {
    "success": job_pb2.JOB_STATUS_COMPLETED,
    "failure": job_pb2.JOB_STATUS_PENDING,
    "snooze": job_pb2.JOB_STATUS_PENDING,
    "release": job_pb2.JOB_STATUS_PENDING,
    "cancelled": job_pb2.JOB_STATUS_CANCELLED,
}


@dataclass(slots=True, kw_only=True)
class HandedOut:
    """A lease in a worker's hands; moments are readings of time.monotonic().

    withheld keeps its result from being acknowledged, applied_before has it acknowledged as a repeat, lost voids it,
    cancel_asked has heartbeats tell of a cancel. results are those that came, the unary calls' among them.
    """

    lease: worker_pb2.Lease
    at: float
    expires_at: float
    withheld: bool = False
    applied_before: bool = False
    lost: bool = False
    lapsed: bool = False
    cancel_asked: bool = False
    settled: bool = False
    results: list[worker_pb2.JobResult] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What names the lease."""
        return self.lease.job.id, self.lease.lease_token

    @property
    def ref(self) -> worker_pb2.LeaseRef:
        """The lease by its name."""
        return worker_pb2.LeaseRef(job_id=self.lease.job.id, lease_token=self.lease.lease_token)

    @property
    def is_open(self) -> bool:
        """Whether it counts against the worker's room."""
        return not (self.settled or self.lost)


def key_of(named: Any) -> Key:
    """Return what names the lease that a message with job_id and lease_token means."""
    return named.job_id, named.lease_token


class Book:
    """All leases of one worker's process, by their names."""

    def __init__(self, *, queue: str, lease: timedelta) -> None:
        self.queue = queue
        self._lease = lease
        self._leases: dict[Key, HandedOut] = {}

    @property
    def open(self) -> list[HandedOut]:
        """The leases that count against the worker's room."""
        return [lease for lease in self._leases.values() if lease.is_open]

    def find(self, key: Key) -> HandedOut | None:
        """Return a lease that was handed out, None for any other."""
        return self._leases.get(key)

    def hand_out(self, kind: str, payload: object, worker_id: str) -> HandedOut:
        """Make a job with a first lease."""
        now = monotonic()
        token = _TOKENS[len(self._leases) % len(_TOKENS)]
        lease = HandedOut(
            lease=self._message(kind, payload, worker_id, token), at=now, expires_at=now + self._lease.total_seconds()
        )
        self._leases[lease.key] = lease
        return lease

    def extend(self, lease: HandedOut, *, lapses: bool = True) -> worker_pb2.LeaseStatus:
        """Extend a lease and say what became of it; with lapses it is lost where it has run out."""
        now = monotonic()
        if lapses:
            self._lapse(lease, now)
        job_id, token = lease.key
        if not lease.is_open:
            return worker_pb2.LeaseStatus(job_id=job_id, lease_token=token, state=worker_pb2.LEASE_STATE_LOST)
        lease.expires_at = now + self._lease.total_seconds()
        return worker_pb2.LeaseStatus(
            job_id=job_id,
            lease_token=token,
            state=worker_pb2.LEASE_STATE_ACTIVE,
            expires_at=timestamp(datetime.now(UTC) + self._lease),
            valid_for=duration(self._lease),
            cancel_requested=lease.cancel_asked,
        )

    def settle(self, lease: HandedOut) -> worker_pb2.JobResultAck:
        """Take the last result of a lease and return its acknowledgement."""
        self._lapse(lease, monotonic())
        told = str(lease.results[-1].WhichOneof("outcome"))
        ack = worker_pb2.JobResultAck(lease=lease.ref, job_status=_OUTCOMES[told])
        if lease.lost:
            ack.status, ack.job_status = worker_pb2.RESULT_STATUS_LEASE_LOST, job_pb2.JOB_STATUS_PENDING
        elif lease.settled or lease.applied_before:
            ack.status = worker_pb2.RESULT_STATUS_ALREADY_APPLIED
        else:
            ack.status = worker_pb2.RESULT_STATUS_APPLIED
        lease.settled = True
        return ack

    def _lapse(self, lease: HandedOut, now: float) -> None:
        if lease.is_open and now > lease.expires_at:
            lease.lost = lease.lapsed = True

    def _message(self, kind: str, payload: object, worker_id: str, token: str) -> worker_pb2.Lease:
        now = datetime.now(UTC)
        job = job_pb2.Job(
            id=new_job_id(),
            queue=self.queue,
            kind=kind,
            status=job_pb2.JOB_STATUS_PROCESSING,
            priority=job_pb2.JOB_PRIORITY_NORMAL,
            payload_bytes=json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(),
            content_type="application/json",
            max_retries=_MAX_RETRIES,
            attempt=1,
            run_at=timestamp(now),
            created_at=timestamp(now),
            started_at=timestamp(now),
            locked_by=worker_id,
            locked_at=timestamp(now),
            lease_expires_at=timestamp(now + self._lease),
            lease_duration=duration(self._lease),
        )
        return worker_pb2.Lease(
            job=job,
            lease_token=token,
            lease_sequence=1,
            expires_at=timestamp(now + self._lease),
            valid_for=duration(self._lease),
        )
