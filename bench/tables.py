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
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

_FILL = """
INSERT INTO gosynq.ready (
    id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, content_type, payload,
    ready_at, rank, fairness_key
)
SELECT
    gen_random_uuid(), $1, $3, 1 + n % $4, statement_timestamp(), statement_timestamp(), 1, 0, 0, 0,
    'application/json', '{}', statement_timestamp() + n * interval '1 microsecond',
    statement_timestamp() + (n - n % $4 * 600000000) * interval '1 microsecond',
    CASE WHEN $5 > 0 THEN 'key-' || n % $5::integer ELSE '' END
FROM generate_series(1, $2::integer) AS n
"""
_FILL_HELD = """
INSERT INTO gosynq.scheduled (
    id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, content_type, payload,
    rank, concurrency_key
)
SELECT
    gen_random_uuid(), $1, 'noop', 2, statement_timestamp(), statement_timestamp(), 1, 0, 0, 0,
    'application/json', '{}', statement_timestamp() + n * interval '1 microsecond', 'key-' || n % $3::integer
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


async def fill(
    folder: Path, queue: str, count: int, *, kind: str = "noop", priorities: int = 4, fairness_keys: int = 0
) -> None:
    """Put ready jobs into a queue, of so many priorities from low on, and let the database settle."""
    await _make_queue(folder, queue)
    await _query(folder, _FILL, queue, count, kind, priorities, fairness_keys)
    await _settle(folder, "ready")


async def fill_held(folder: Path, queue: str, count: int, *, concurrency_keys: int) -> None:
    """Put jobs into a queue that wait for places of so many concurrency keys, and let the database settle."""
    await _make_queue(folder, queue)
    await _query(folder, _FILL_HELD, queue, count, concurrency_keys)
    await _settle(folder, "scheduled")


async def set_queue(folder: Path, queue: str, settings: Mapping[str, object]) -> None:
    """Give a queue settings, by the names of its columns."""
    for name, value in settings.items():
        await _query(folder, f"UPDATE gosynq.queues SET {name} = $2 WHERE name = $1", queue, value)  # noqa: S608 - ours


async def _make_queue(folder: Path, queue: str) -> None:
    await _query(folder, "INSERT INTO gosynq.queues (name) VALUES ($1) ON CONFLICT DO NOTHING", queue)


async def _settle(folder: Path, table: str) -> None:
    await _query(folder, f"VACUUM ANALYZE gosynq.{table}")
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
