"""Idempotency keys in the database: each names one job of its queue while it is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from gosynq_server.store.database import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedKey:
    """A key, the fingerprint of the spec that took it, the job that it names, and whether it still holds."""

    key: str
    fingerprint: bytes
    job_id: JobId
    is_held: bool


async def get(executor: Executor, queue: str, keys: Sequence[str], *, window: timedelta) -> dict[str, NamedKey]:
    """Read what keys of one queue name, held for the window beyond their jobs' ends; unknown ones are left out."""
    named = [
        NamedKey(
            key=row["key"],
            fingerprint=row["fingerprint"],
            job_id=JobId(str(row["job_id"])),
            is_held=row["is_held"],
        )
        for row in await executor.fetch("keys_get", queue, keys, window)
    ]
    return {found.key: found for found in named}


async def free(executor: Executor, queue: str, named: Sequence[NamedKey]) -> None:
    """Free keys of one queue where they still name the given jobs."""
    await executor.fetch("keys_free", queue, [found.key for found in named], [found.job_id for found in named])


async def admit(executor: Executor, queue: str, *, limit: int) -> int:
    """Let jobs of one queue to the front whose concurrency or ordering keys have places; return how many.

    Goes through the keys in groups of limit, each a transaction; a key lets through limit jobs at most.
    """
    by_concurrency = _admit_each(executor, queue, "keys_held_concurrency", limit, lambda keys: (keys, []))
    by_ordering = _admit_each(executor, queue, "keys_held_ordering", limit, lambda keys: ([], keys))
    return await by_concurrency + await by_ordering


async def _admit_each(
    executor: Executor,
    queue: str,
    held: str,
    limit: int,
    sides: Callable[[list[str]], tuple[list[str], list[str]]],
) -> int:
    admitted, keys = 0, [""]
    while keys:
        keys = (await executor.fetch(held, queue, keys[-1], limit))[0]["held"]
        if keys:
            admitted += (await executor.fetch("keys_admit", queue, *sides(keys), limit))[0]["admitted"]
    return admitted


async def sweep(executor: Executor, *, window: timedelta, limit: int) -> int:
    """Free keys whose jobs are gone or have been terminal for the window; return how many keys were looked at."""
    row = (await executor.fetch("keys_sweep", window, limit))[0]
    return int(row["freed_count"]) + int(row["kept_count"])
