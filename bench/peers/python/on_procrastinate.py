"""procrastinate, on its asyncio connector."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.peers.python import adapter

_CONCURRENCY = {"drain": 50, "latency": 20}
_POOL = {"drain": 20, "latency": 10}
_PRODUCERS = 5


class Producer:
    """Adds jobs through an app that is open."""

    def __init__(self, task: Any) -> None:
        self._task = task

    async def enqueue(self, sent: int) -> None:
        """Add one job."""
        await self._task.defer_async(sent=sent)

    async def enqueue_many(self, sent: Sequence[int]) -> None:
        """Add a job for each moment by one call."""
        await self._task.batch_defer_async(*({"sent": moment} for moment in sent))


class Procrastinate:
    """The adapter."""

    async def install(self, dsn: str) -> None:
        """Make its tables."""
        async with _app(dsn, 1).open_async() as app:
            await app.schema_manager.apply_schema_async()

    @asynccontextmanager
    async def producer(self, dsn: str) -> AsyncIterator[Producer]:
        """Give a client."""
        async with _app(dsn, _PRODUCERS).open_async() as app:
            yield Producer(_task(app, lambda _: None))

    async def work(self, order: adapter.Order, began: Callable[[int], None]) -> None:
        """Run a worker until terminated."""
        async with _app(order.dsn, _POOL[order.tuned_for]).open_async() as app:
            _task(app, began)
            await app.run_worker_async(concurrency=_CONCURRENCY[order.tuned_for])


def _app(dsn: str, connections: int) -> App:
    return App(connector=PsycopgConnector(conninfo=dsn, min_size=1, max_size=connections))


def _task(app: App, began: Callable[[int], None]) -> Any:
    async def noop(sent: int) -> None:
        began(sent)

    return app.task(name="noop", queue="bench")(noop)


if __name__ == "__main__":
    # It warns of apps in a main module, which another program cannot import; no other wants to.
    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    adapter.main(Procrastinate())
