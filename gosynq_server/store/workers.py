"""The list of workers in the database: put, renewed and taken out by their servers, and read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from gosynq_server.domain.worker import (
    FORGOTTEN_AFTER,
    Subscription,
    WorkerInfo,
    WorkerMake,
    WorkerProfile,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_server.store.database import Executor
    from gosynq_server.store.records import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A worker's session as its server knows it; silence is for how long nothing was heard of the worker."""

    profile: WorkerProfile
    session_id: str
    max_in_flight: int
    silence: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """A worker that was put into the list: why it is to drain, if it is, and where it was before, if anywhere."""

    drain_reason: str | None
    was_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a renewal found: whether there is a row, whether it is this session's, and why it is to drain, if it is."""

    is_known: bool
    is_held: bool
    drain_reason: str | None


async def put(executor: Executor, presences: Sequence[Presence], *, server_id: str) -> dict[str, Put]:
    """Put workers into the list, in place of other sessions of theirs."""
    text = orjson.dumps([_said_of(presence) for presence in presences]).decode()
    rows = await executor.fetch("workers_put", text, server_id)
    return {row["worker_id"]: Put(drain_reason=row["drain_reason"], was_at=row["was_at"]) for row in rows}


async def renew(executor: Executor, presences: Sequence[Presence]) -> dict[str, Renewal]:
    """Renew the rows of workers that are still of these sessions."""
    rows = await executor.fetch(
        "workers_renew",
        [presence.profile.worker_id for presence in presences],
        [presence.session_id for presence in presences],
        [presence.max_in_flight for presence in presences],
        [presence.silence for presence in presences],
    )
    return {
        row["worker_id"]: Renewal(is_known=row["is_known"], is_held=row["is_held"], drain_reason=row["drain_reason"])
        for row in rows
    }


async def leave(executor: Executor, worker_id: str, session_id: str) -> None:
    """Take a worker out of the list, unless another session of it is there."""
    await executor.fetch("workers_leave", worker_id, session_id)


async def sweep(executor: Executor) -> None:
    """Forget workers that no server renews."""
    await executor.fetch("workers_sweep", FORGOTTEN_AFTER)


async def drain(executor: Executor, worker_id: str, *, reason: str) -> bool:
    """Note that a worker is to drain; False where there is none of that id."""
    return bool(await executor.fetch("workers_drain", worker_id, reason, FORGOTTEN_AFTER))


async def get(executor: Executor, worker_id: str) -> WorkerInfo | None:
    """Read one worker, or None where there is none of that id."""
    rows = await executor.fetch("workers_list", None, worker_id, "", 1, FORGOTTEN_AFTER)
    return _info_of(rows[0]) if rows else None


async def list_page(executor: Executor, *, queue: str | None, after: str, limit: int) -> list[WorkerInfo]:
    """Read workers that take from a queue, or all, by their ids."""
    rows = await executor.fetch("workers_list", queue, None, after, limit, FORGOTTEN_AFTER)
    return [_info_of(row) for row in rows]


def _said_of(presence: Presence) -> dict[str, object]:
    profile = presence.profile
    return {
        "worker_id": profile.worker_id,
        "session_id": presence.session_id,
        "queues": [told.queue for told in profile.subscriptions],
        "weights": [told.weight for told in profile.subscriptions],
        "limits": [told.max_in_flight for told in profile.subscriptions],
        "kinds": list(profile.kinds),
        "make": asdict(profile.make),
        "max_in_flight": presence.max_in_flight,
    }


def _info_of(row: Row) -> WorkerInfo:
    told = zip(row["queues"], row["weights"], row["limits"], strict=True)
    return WorkerInfo(
        profile=WorkerProfile(
            worker_id=row["worker_id"],
            subscriptions=tuple(
                Subscription(queue=queue, weight=weight, max_in_flight=limit) for queue, weight, limit in told
            ),
            kinds=tuple(row["kinds"]),
            make=WorkerMake(**orjson.loads(row["make"])),
        ),
        state=state_of(silence=row["silence"], is_drained=row["drain_reason"] is not None),
        server_id=row["server_id"],
        in_flight=row["in_flight"],
        max_in_flight=row["max_in_flight"],
        connected_at=row["connected_at"],
        last_seen_at=row["last_seen_at"],
    )
