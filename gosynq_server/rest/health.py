"""GET /api/v1/health: what grpc.health.v1 says, as the original's health page said it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_server.rest.bindings import SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping

PATH: Final = "/api/v1/health"
TIMEOUT: Final = timedelta(seconds=5)
OVERALL: Final = ""
SERVING: Final = "serving"


class HealthPage:
    """Asks the gRPC server how it and each of its services are."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = health_pb2_grpc.HealthStub(channel)

    async def read(self) -> tuple[int, dict[str, Any]]:
        """Return the HTTP status, 200 or 503, and the page. A server that does not answer is `unreachable`."""
        names = [OVERALL, *(service.full_name for service in SERVICES)]
        async with asyncio.TaskGroup() as group:
            tasks = {name: group.create_task(self._state(name)) for name in names}
        states = {name: task.result() for name, task in tasks.items()}
        return _page(states.pop(OVERALL), states)

    async def _state(self, service: str) -> str:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            response = await self._stub.Check(request, timeout=TIMEOUT.total_seconds())
        except grpc.aio.AioRpcError as error:
            return "unknown" if error.code() is grpc.StatusCode.NOT_FOUND else "unreachable"
        name: str = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return name.lower()


def _page(overall: str, services: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    healthy = overall == SERVING
    page = {"status": "healthy" if healthy else "unhealthy", "services": services}
    return (200 if healthy else 503), page
