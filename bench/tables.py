"""What only the database knows: when jobs ran, and what a fetch costs."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from bench.load import percentiles
from gosynq_server.domain.queue import Queue
from gosynq_server.store.database import Database
from gosynq_server.store.leases import Claim, exchange

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

_FILL = """
INSERT INTO gosynq.ready (
    id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, content_type, payload,
    ready_at
)
SELECT
    gen_random_uuid(), $1, 'noop', 1 + n % 4, statement_timestamp(), statement_timestamp(), 1, 0, 0, 0,
    'application/json', '{}', statement_timestamp() + n * interval '1 microsecond'
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


async def fill(folder: Path, queue: str, count: int) -> None:
    """Put ready jobs into a queue."""
    await _query(folder, "INSERT INTO gosynq.queues (name) VALUES ($1) ON CONFLICT DO NOTHING", queue)
    await _query(folder, _FILL, queue, count)
    await _query(folder, "ANALYZE gosynq.ready")


async def fetch_costs(folder: Path, queue: str, *, rounds: int, wanted: int) -> dict[str, float]:
    """Return p50 and p99 in ms of leasing wanted jobs of a queue, so many times."""
    claim = Claim(worker_id="bench", kinds=["noop"], wanted=wanted, window=timedelta(days=1))
    costs = []
    async with _database(folder) as database:
        for _ in range(rounds):
            began = time.perf_counter()
            await exchange(database, Queue(name=queue), [], claim)
            costs.append(time.perf_counter() - began)
    return percentiles(costs)


def _database(folder: Path) -> AbstractAsyncContextManager[Database]:
    return Database(dsn(folder), pool_size=1)


async def _query(folder: Path, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn(folder))
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()
