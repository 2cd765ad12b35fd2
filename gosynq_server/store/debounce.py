"""Debounce keys in the database: each names a job of its queue that waits for its first lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.domain.job import JobId

if TYPE_CHECKING:
    from gosynq_server.store.database import Executor


async def take(executor: Executor, queue: str, key: str, job: JobId) -> JobId:
    """Return the job that a key names, which is the given one where the key is new; held until commit."""
    return JobId(str(await executor.fetch_value("debounce_take", queue, key, job)))


async def pass_on(executor: Executor, queue: str, key: str, job: JobId) -> None:
    """Let a key name another job."""
    await executor.fetch("debounce_pass_on", queue, key, job)


async def sweep(executor: Executor, *, limit: int) -> int:
    """Free keys whose jobs wait for their first lease no more; return how many keys were looked at."""
    row = (await executor.fetch("debounce_sweep", limit))[0]
    return int(row["freed_count"]) + int(row["kept_count"])
