"""Health by grpc.health.v1: whether the process lives, and whether it is ready, as a whole and for each service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio

from gosynq_server.domain.errors import ServerDraining

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

LIVENESS, READINESS, OVERALL = "liveness", "readiness", ""


class HealthBoard:
    """What every health server of the process shows: NOT_SERVING at first, but for liveness."""

    def __init__(self, services: Iterable[str]) -> None:
        self._servicer = _WatchableHealth()
        self._names = (OVERALL, READINESS, *services)
        self._ready = False
        self._drained = False

    async def open(self) -> None:
        """Show the first statuses; before that there is nothing to see."""
        await self._servicer.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._show()

    async def set_ready(self, ready: bool) -> None:  # noqa: FBT001 - the one thing that is set
        """Say whether the server can do its work; without effect once it drains."""
        self._ready = ready
        await self._show()

    async def drain(self) -> None:
        """Show NOT_SERVING for good; liveness goes on, since a draining process must not be killed."""
        self._drained = True
        await self._show()

    def close(self) -> None:
        """End the watches, which would hold up a server that stops."""
        self._servicer.closing.set()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve the board on a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def _show(self) -> None:
        serving = self._ready and not self._drained
        status = health_pb2.HealthCheckResponse
        for name in self._names:
            await self._servicer.set(name, status.SERVING if serving else status.NOT_SERVING)


class _WatchableHealth(aio.HealthServicer):  # type: ignore[misc]  # the library has no types
    """The library's servicer, whose watches end when told."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = asyncio.Event()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802 - the contract's
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(super().Watch(request, context))
            await self.closing.wait()
            watching.cancel()
        raise ServerDraining
