"""Leases in the database: granted, extended, and ended by what their attempts came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NewType

from gosynq_client.worker.leases import Lease
from gosynq_server.domain.job import AttemptOutcome, JobId, JobStatus
from gosynq_server.domain.lease import LeaseFacts
from gosynq_server.domain.lease_names import lease_token
from gosynq_server.store.records import Row, labels_of, retry_policy_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import timedelta

    from gosynq_server.domain.queue import Queue
    from gosynq_server.store.database import Executor

LeaseKey = NewType("LeaseKey", tuple[str, int])
"""A job's id and the lease sequence: together they name a lease."""

WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""No bound on a lease's end: a worker's own word counts as long as its lease was not taken away."""


def lease_key(job_id: object, lease_seq: int) -> LeaseKey:
    """Name a lease."""
    return LeaseKey((str(job_id), lease_seq))


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A lease that ends well, and what its attempt returned."""

    key: LeaseKey
    result: bytes | None
    content_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a worker wants of one queue: jobs of some kinds, or of all (None), at most so many.

    lease_duration overrides that of the jobs; window is how long an ended job stays at least.
    """

    worker_id: str
    kinds: Sequence[str] | None
    wanted: int
    window: timedelta
    lease_duration: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A lease that ends badly: the job's counters from now on, and what its attempt's record says."""

    key: LeaseKey
    failures: int
    deliveries: int
    outcome: AttemptOutcome
    error: str
    stack_trace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredLease:
    """A lease that had run out at seen_at; timed_out if its attempt's deadline had passed as well."""

    key: LeaseKey
    queue: str
    facts: LeaseFacts
    timed_out: bool
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneLease:
    """A lease that is gone: whether its worker's word had ended it, and its job's status now, if there is a job."""

    settled: bool
    job_status: JobStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A lease that holds, until a moment by the database's clock, which is so long from now."""

    expires_at: datetime
    valid_for: timedelta
    cancel_requested: bool
    cancel_reason: str


async def exchange(
    executor: Executor, queue: Queue, ended: Sequence[Completion], claim: Claim
) -> tuple[set[LeaseKey], list[Lease]]:
    """Complete jobs of one queue and lease its next ones; return the leases that were gone, and the new ones."""
    rows = await executor.fetch(
        "leases_exchange",
        queue.name,
        *_ids_and_sequences(completion.key for completion in ended),
        [completion.result for completion in ended],
        [completion.content_type for completion in ended],
        queue.defaults.retention,
        claim.kinds,
        claim.wanted,
        claim.worker_id,
        queue.defaults.lease_duration,
        queue.defaults.attempt_timeout,
        claim.window,
        claim.lease_duration,
    )
    missed = {ended[place - 1].key for place in rows[0]["missed_places"] or ()}
    return missed, [_lease_of(row, queue) for row in rows if row["id"] is not None]


def _lease_of(row: Row, queue: Queue) -> Lease:
    lease_seq = row["lease_seq"]
    max_retries = row["max_retries"]
    return Lease(
        job_id=str(row["id"]),
        queue=queue.name,
        kind=row["kind"],
        priority=row["priority"],
        lease_seq=lease_seq,
        lease_token=lease_token(queue.name, lease_seq),
        attempt=row["attempt"],
        payload=row["payload"],
        content_type=row["content_type"],
        labels=labels_of(row["labels"]),
        headers=labels_of(row["headers"]),
        max_retries=queue.defaults.max_retries if max_retries is None else max_retries,
        created_at=row["created_at"],
        run_at=row["run_at"],
        leased_at=row["leased_at"],
        lease_duration=row["lease_duration"],
        attempt_timeout=row["attempt_timeout"],
    )


async def retry(
    executor: Executor, queue: str, failures: Sequence[Failure], *, delays: Sequence[timedelta], until: datetime
) -> set[LeaseKey]:
    """End attempts badly and put their jobs off by the delays; return the leases that it held for.

    until is the moment beyond which no lease may reach for this to count.
    """
    return await _end_badly(executor, "leases_retry", queue, failures, durations=delays, until=until)


async def dead_letter(
    executor: Executor, queue: str, failures: Sequence[Failure], *, kept_for: Sequence[timedelta], until: datetime
) -> set[LeaseKey]:
    """End attempts badly and their jobs with them; return the leases that it held for."""
    return await _end_badly(executor, "leases_dead_letter", queue, failures, durations=kept_for, until=until)


async def _end_badly(
    executor: Executor,
    name: str,
    queue: str,
    failures: Sequence[Failure],
    *,
    durations: Sequence[timedelta],
    until: datetime,
) -> set[LeaseKey]:
    rows = await executor.fetch(
        name,
        queue,
        *_ids_and_sequences(failure.key for failure in failures),
        until,
        durations,
        [failure.failures for failure in failures],
        [failure.deliveries for failure in failures],
        [failure.outcome for failure in failures],
        [failure.error for failure in failures],
        [failure.stack_trace for failure in failures],
    )
    return _held(rows, (failure.key for failure in failures))


async def cancel(
    executor: Executor, queue: Queue, failures: Sequence[Failure], *, window: timedelta, until: datetime
) -> set[LeaseKey]:
    """End attempts whose cancel was asked for, and their jobs with them; return the leases that it held for."""
    rows = await executor.fetch(
        "leases_cancel",
        queue.name,
        *_ids_and_sequences(failure.key for failure in failures),
        until,
        [failure.outcome for failure in failures],
        [failure.error for failure in failures],
        [failure.stack_trace for failure in failures],
        queue.defaults.retention,
        window,
    )
    return _held(rows, (failure.key for failure in failures))


async def snooze(
    executor: Executor, queue: str, keys: Sequence[LeaseKey], *, delays: Sequence[timedelta]
) -> set[LeaseKey]:
    """Put running jobs off, uncounted; return the leases that it held for."""
    rows = await executor.fetch("leases_snooze", queue, *_ids_and_sequences(keys), WHENEVER, delays)
    return _held(rows, keys)


async def release(executor: Executor, queue: str, keys: Sequence[LeaseKey]) -> set[LeaseKey]:
    """Give running jobs back, uncounted and due at once; return the leases that it held for."""
    rows = await executor.fetch("leases_release", queue, *_ids_and_sequences(keys), WHENEVER)
    return _held(rows, keys)


async def extend(
    executor: Executor, queue: Queue, keys: Sequence[LeaseKey], *, lease_duration: timedelta | None
) -> dict[LeaseKey, Extended]:
    """Extend leases of one queue from now, by their own duration or by another; those that are gone are left out."""
    rows = await executor.fetch(
        "leases_extend", queue.name, *_ids_and_sequences(keys), queue.defaults.lease_duration, lease_duration
    )
    return {
        lease_key(row["id"], row["lease_seq"]): Extended(
            expires_at=row["lease_expires_at"],
            valid_for=row["valid_for"],
            cancel_requested=row["cancel_requested"],
            cancel_reason=row["cancel_reason"],
        )
        for row in rows
    }


async def keep_progress(executor: Executor, queue: str, texts: Mapping[LeaseKey, str]) -> dict[LeaseKey, bool]:
    """Keep the last progress of running jobs of one queue, given as JSON objects.

    Returns of the leases that hold whether a cancel was asked for.
    """
    rows = await executor.fetch("leases_progress", queue, *_ids_and_sequences(texts), list(texts.values()))
    asked = {str(row["id"]): row["cancel_requested"] for row in rows}
    return {key: asked[key[0]] for key in texts if key[0] in asked}


async def gone(executor: Executor, queue: str, keys: Sequence[LeaseKey]) -> dict[LeaseKey, GoneLease]:
    """Say of leases that are gone how they had ended."""
    rows = await executor.fetch("leases_gone", queue, *_ids_and_sequences(keys))
    return {
        lease_key(row["id"], row["lease_seq"]): GoneLease(
            settled=row["settled"], job_status=JobStatus(row["status"]) if row["status"] else None
        )
        for row in rows
    }


async def facts(executor: Executor, queue: str, keys: Sequence[LeaseKey]) -> dict[LeaseKey, LeaseFacts]:
    """Read what the judgement of running attempts needs; leases that are gone are left out."""
    rows = await executor.fetch("leases_facts", queue, *_ids_and_sequences(keys))
    return {lease_key(row["id"], row["lease_seq"]): _facts_of(row) for row in rows}


async def expired(executor: Executor, *, limit: int) -> list[ExpiredLease]:
    """Read leases that have run out, the oldest first."""
    return [
        ExpiredLease(
            key=lease_key(row["id"], row["lease_seq"]),
            queue=row["queue"],
            facts=_facts_of(row),
            timed_out=row["timed_out"],
            seen_at=row["seen_at"],
        )
        for row in await executor.fetch("leases_expired", limit)
    ]


def _facts_of(row: Row) -> LeaseFacts:
    return LeaseFacts(
        failures=row["failures"],
        deliveries=row["deliveries"],
        max_retries=row["max_retries"],
        max_deliveries=row["max_deliveries"],
        retry_policy=retry_policy_of(row["retry_policy"]),
        retention=row["retention"],
        cancel_requested=row["cancel_requested"],
    )


def _ids_and_sequences(keys: Iterable[LeaseKey]) -> tuple[list[JobId], list[int]]:
    pairs = list(keys)
    return [JobId(pair[0]) for pair in pairs], [pair[1] for pair in pairs]


def _held(rows: Sequence[Row], keys: Iterable[LeaseKey]) -> set[LeaseKey]:
    """Match rows by job id alone: a job has one lease at a time."""
    ids = {str(row["id"]) for row in rows}
    return {key for key in keys if key[0] in ids}
