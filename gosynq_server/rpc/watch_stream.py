"""One watcher's stream: what the service gives is written, and only then more is asked for."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

from gosynq_server.domain.errors import ServerDraining, SlowConsumer
from gosynq_server.rpc.stream_age import stop_in_time

if TYPE_CHECKING:
    from datetime import timedelta

    import grpc

    from gosynq_server.domain.watching import WatchQuery
    from gosynq_server.rpc.watch_responses import WatchResponses
    from gosynq_server.service.watches import Watches

PATIENCE_SECONDS = 60.0


class WatchObserver(Protocol):
    """Who counts what watches take; each method returns at once."""

    def sent(self, count: int) -> None:
        """Count events that a watcher took."""

    def slow_consumer(self) -> None:
        """Count a watcher that was sent away."""


class Unobserved:
    """Stands in where nobody counts."""

    def sent(self, count: int) -> None:
        """Ignore it."""

    def slow_consumer(self) -> None:
        """Ignore it."""


class WatchStream:
    """Serves one watch. A caller that takes nothing for PATIENCE_SECONDS is sent away."""

    def __init__(
        self,
        watches: Watches,
        responses: WatchResponses,
        context: grpc.aio.ServicerContext[Any, Any],
        *,
        observer: WatchObserver,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._watches = watches
        self._responses = responses
        self._context = context
        self._patience = patience
        self._observer = observer
        self._last_taken = ""

    async def run(self, query: WatchQuery, *, draining: asyncio.Event, age: timedelta) -> None:
        """Serve until the watch ends; raises ServerDraining when the server drains or the stream reaches its age."""
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve(query))
            closing = group.create_task(stop_in_time(serving, draining, age))
            await asyncio.wait([serving])
            closing.cancel()
        if serving.cancelled():
            raise ServerDraining

    async def _serve(self, query: WatchQuery) -> None:
        async with aclosing(self._watches.watch(query)) as deliveries:
            async for delivery in deliveries:
                for response in self._responses.of(delivery):
                    await self._write(response)
                self._observer.sent(sum(len(match.places) for match in delivery.matches))

    async def _write(self, response: bytes) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._context.write(response)
        except TimeoutError:
            self._observer.slow_consumer()
            raise SlowConsumer(seconds=round(self._patience), cursor=self._last_taken) from None
        self._last_taken = self._responses.cursor
