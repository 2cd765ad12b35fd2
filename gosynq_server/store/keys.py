"""Idempotency keys in the database: each names one job of its queue while it is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_server.store.database import Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A key, the fingerprint of the spec that took it, and the job that it names."""

    key: str
    fingerprint: bytes
    job_id: JobId


async def get(executor: Executor, queue: str, keys: Sequence[str]) -> dict[str, HeldKey]:
    """Read what keys of one queue name; those that name nothing are left out."""
    rows = await executor.fetch("keys_get", queue, keys)
    held = (HeldKey(key=row["key"], fingerprint=row["fingerprint"], job_id=JobId(str(row["job_id"]))) for row in rows)
    return {found.key: found for found in held}


async def free(executor: Executor, queue: str, held: Sequence[HeldKey]) -> None:
    """Free keys of one queue where they still name the given jobs."""
    await executor.fetch("keys_free", queue, [found.key for found in held], [found.job_id for found in held])


async def sweep(executor: Executor, *, window: timedelta, limit: int) -> int:
    """Free keys whose jobs are gone or have been terminal for the window; return how many keys were looked at."""
    row = (await executor.fetch("keys_sweep", window, limit))[0]
    return int(row["freed_count"]) + int(row["kept_count"])
