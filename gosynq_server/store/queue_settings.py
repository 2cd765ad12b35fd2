"""Queues as they are shown and changed: what each says itself, and its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from gosynq_server.domain.job import Priority
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.queue_settings import QueueDetails, QueueSettings
from gosynq_server.store.records import retry_policy_of, retry_policy_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Record

    from gosynq_server.store.database import Executor

_PLAIN = (
    "description",
    "max_concurrency",
    "max_leases_per_second",
    "lease_burst",
    "max_pending",
    "max_payload_bytes",
    "max_concurrency_per_key",
    "max_retries",
    "lease_duration",
    "attempt_timeout",
    "retention",
    "dead_letter_retention",
    "max_deliveries",
    "priority_ageing",
    "strict_priorities",
)


async def list_page(executor: Executor, *, after: str, limit: int) -> list[QueueDetails]:
    """Read queues behind a name, by name."""
    return [_details_of(row) for row in await executor.fetch("queues_list", after, limit)]


async def show(executor: Executor, name: str) -> QueueDetails | None:
    """Read one queue, or None where there is none of that name."""
    return _only(await executor.fetch("queues_show", name))


async def lock(executor: Executor, name: str) -> QueueDetails | None:
    """Read one queue and keep it as it is until commit."""
    return _only(await executor.fetch("queues_lock", name))


async def halt_leases(executor: Executor, name: str) -> None:
    """Wait for the leases of a queue that are about to be granted, and grant no more until commit."""
    await executor.fetch("queues_halt", name)


async def write(executor: Executor, name: str, settings: QueueSettings) -> QueueDetails:
    """Write what a queue says of itself; return it as it is then."""
    said = settings
    (row,) = await executor.fetch(
        "queues_update",
        name,
        said.description,
        said.max_concurrency,
        said.max_leases_per_second,
        said.lease_burst,
        said.max_pending,
        said.max_payload_bytes,
        said.max_concurrency_per_key,
        said.priority,
        said.max_retries,
        retry_policy_text(said.retry_policy),
        said.lease_duration,
        said.attempt_timeout,
        said.retention,
        said.dead_letter_retention,
        said.max_deliveries,
        said.priority_ageing,
        said.strict_priorities,
        orjson.dumps(dict(said.fairness_weights)).decode(),
    )
    return _details_of(row)


async def forget_room(executor: Executor, name: str) -> None:
    """Have the pending jobs counted anew before more are added than max_pending allows."""
    await executor.fetch("queues_forget_room", name)


async def carry_rate(executor: Executor, name: str, *, before: QueueSettings, after: QueueSettings) -> None:
    """Have what is used of a queue's burst count at another rate, so that the old one does not hold it up."""
    rate_before, rate = before.max_leases_per_second, after.max_leases_per_second
    await executor.fetch("queues_carry_rate", name, rate_before, rate, after.lease_burst)


async def hold_again(executor: Executor, name: str) -> None:
    """Have the jobs with a concurrency key wait again, since the limit of each key is new or lower.

    Those that are being let to the front by the old limit come along: a statement of its own waits for them, so that
    the next one sees them.
    """
    await executor.fetch("queues_halt_admission", name)
    await executor.fetch("queues_hold_again", name)


async def set_state(executor: Executor, name: str, state: QueueState, *, reason: str) -> QueueDetails:
    """Give a queue another state; return it as it is then."""
    (row,) = await executor.fetch("queues_set_state", name, state, reason)
    return _details_of(row)


async def set_deleting(executor: Executor, name: str) -> None:
    """Mark a queue as being deleted."""
    await executor.fetch("queues_set_deleting", name)


async def delete(executor: Executor, name: str) -> None:
    """Delete a queue that has no jobs any more."""
    await executor.fetch("queues_delete", name)


async def deleting(executor: Executor) -> list[str]:
    """Name the queues that are being deleted."""
    return [row["name"] for row in await executor.fetch("queues_deleting")]


def _only(rows: Sequence[Record]) -> QueueDetails | None:
    return _details_of(rows[0]) if rows else None


def _details_of(row: Record) -> QueueDetails:
    return QueueDetails(
        name=row["name"],
        state=QueueState(row["state"]),
        state_reason=row["state_reason"],
        state_changed_at=row["state_changed_at"],
        settings=QueueSettings(
            priority=None if row["priority"] is None else Priority(row["priority"]),
            retry_policy=retry_policy_of(row["retry_policy"]),
            fairness_weights=orjson.loads(row["fairness_weights"]),
            **{name: row[name] for name in _PLAIN},
        ),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )
