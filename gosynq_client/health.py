"""Asks a server's health service (grpc.health.v1), which any server has beside what it is for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_client.channel import open_channel
from gosynq_client.options import ClientOptions
from gosynq_client.statuses import error_of_call

if TYPE_CHECKING:
    from typing import Final

_DEFAULTS: Final = ClientOptions()


class Health(StrEnum):
    """What a server says of itself, or of one of its services."""

    SERVING = "serving"
    NOT_SERVING = "not_serving"
    UNKNOWN = "unknown"
    """The server does not know, or has no such service."""


async def check_health(target: str, service: str = "", options: ClientOptions = _DEFAULTS) -> Health:
    """Ask once, without retries; an empty name means the whole server. Raises GosynqError if there is no answer.

    Needs grpcio-health-checking, which comes with gosynq[server].
    """
    async with open_channel(target, options, retries=False) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                request, timeout=options.call_timeout.total_seconds()
            )
        except grpc.aio.AioRpcError as failure:
            if failure.code() is grpc.StatusCode.NOT_FOUND:
                return Health.UNKNOWN
            raise error_of_call(failure) from failure
    return _STATES.get(answer.status, Health.UNKNOWN)


_STATES = {
    health_pb2.HealthCheckResponse.SERVING: Health.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING: Health.NOT_SERVING,
}
