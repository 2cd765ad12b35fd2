"""pgqueuer, all its tables logged."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pgqueuer import AsyncpgPoolDriver, Job, PgQueuer, Queries

from bench.peers.python import adapter

_BATCH = {"drain": 500, "latency": 10}
_POOL = 5


class Producer:
    """Adds jobs through a pool of its own."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def enqueue(self, sent: int) -> None:
        """Add one job."""
        await self._queries.enqueue("noop", _payload(sent))

    async def enqueue_many(self, sent: Sequence[int]) -> None:
        """Add a job for each moment by one call."""
        await self._queries.enqueue(["noop"] * len(sent), [_payload(moment) for moment in sent], [0] * len(sent))


class Pgqueuer:
    """The adapter."""

    async def install(self, dsn: str) -> None:
        """Make its tables."""
        async with _pool(dsn) as pool:
            await Queries.from_asyncpg_pool(pool).install()

    @asynccontextmanager
    async def producer(self, dsn: str) -> AsyncIterator[Producer]:
        """Give a client."""
        async with _pool(dsn) as pool:
            yield Producer(Queries.from_asyncpg_pool(pool))

    async def work(self, order: adapter.Order, began: Callable[[int], None]) -> None:
        """Run a worker until terminated."""

        async def noop(job: Job) -> None:
            began(int(job.payload[len(b'{"sent":') : -1]))

        async with _pool(order.dsn) as pool:
            worker = PgQueuer(AsyncpgPoolDriver(pool))
            worker.entrypoint("noop")(noop)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.shutdown.set)
            await worker.run(batch_size=_BATCH[order.tuned_for])


def _payload(sent: int) -> bytes:
    return b'{"sent":%d}' % sent


def _pool(dsn: str) -> Any:
    return asyncpg.create_pool(dsn, min_size=2, max_size=_POOL)


if __name__ == "__main__":
    adapter.main(Pgqueuer())
