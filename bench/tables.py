"""What only the database knows: when jobs ran, and what a fetch costs."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from bench.load import percentiles
from gosynq_server.domain.queue import Queue
from gosynq_server.store.database import Database
from gosynq_server.store.leases import Claim, exchange

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

_FILL = """
INSERT INTO gosynq.ready (
    id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, content_type, payload,
    ready_at, rank
)
SELECT
    gen_random_uuid(), $1, $3, 1 + n % $4, statement_timestamp(), statement_timestamp(), 1, 0, 0, 0,
    'application/json', '{}', statement_timestamp() + n * interval '1 microsecond',
    statement_timestamp() + (n - n % $4 * 600000000) * interval '1 microsecond'
FROM generate_series(1, $2::integer) AS n
"""
_RAN = """
SELECT count(*) AS done, extract(EPOCH FROM max(finished_at) - min(started_at))::float8 AS seconds
FROM gosynq.finished WHERE queue = $1 AND status = 'completed'
"""
_STARTS = """
SELECT
    (convert_from(result, 'UTF8')::jsonb ->> 'started')::float8
    - (convert_from(payload, 'UTF8')::jsonb ->> 'sent')::float8 AS nanoseconds
FROM gosynq.finished WHERE queue = $1 AND status = 'completed'
"""


def dsn(folder: Path) -> str:
    """Return the address of the embedded database under a folder."""
    return f"postgresql://postgres@/postgres?host={folder / 'database' / 'data'}"


async def ran(folder: Path, queue: str) -> tuple[int, float]:
    """Return how many jobs of a queue completed, and in how many seconds from the first start to the last end."""
    row = await _query(folder, _RAN, queue)
    return row[0]["done"], row[0]["seconds"] or 0.0


async def start_latencies(folder: Path, queue: str) -> dict[str, float]:
    """Return p50 and p99 in ms from the caller's call to the handler's first line."""
    rows = await _query(folder, _STARTS, queue)
    return percentiles([row["nanoseconds"] / 1e9 for row in rows])


async def fill(folder: Path, queue: str, count: int, *, kind: str = "noop", priorities: int = 4) -> None:
    """Put ready jobs into a queue, of so many priorities from low on, and let the database settle."""
    await _query(folder, "INSERT INTO gosynq.queues (name) VALUES ($1) ON CONFLICT DO NOTHING", queue)
    await _query(folder, _FILL, queue, count, kind, priorities)
    await _query(folder, "VACUUM ANALYZE gosynq.ready")
    await _query(folder, "CHECKPOINT")


async def fetch_costs(
    folders: Sequence[Path], queue: str, *, rounds: int, wanted: int, kind: str = "noop"
) -> list[dict[str, float]]:
    """Return p50 and p99 in ms of leasing wanted jobs of a kind, so many times from each database in turns."""
    claim = Claim(worker_id="bench", kinds=[kind], wanted=wanted, window=timedelta(days=1))
    costs: list[list[float]] = [[] for _ in folders]
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(_database(folder)) for folder in folders]
        for _ in range(rounds):
            for database, spent in zip(databases, costs, strict=True):
                began = time.perf_counter()
                _, leases = await exchange(database, Queue(name=queue), [], claim)
                spent.append(time.perf_counter() - began)
                if len(leases) != wanted:
                    raise RuntimeError(f"{len(leases)} jobs were leased, {wanted} were wanted")
    return [percentiles(spent) for spent in costs]


def _database(folder: Path) -> AbstractAsyncContextManager[Database]:
    return Database(dsn(folder), pool_size=1)


async def _query(folder: Path, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn(folder))
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()
