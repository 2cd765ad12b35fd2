"""AdminService: what this server is."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc
from gosynq_server.rpc.convert import duration, timestamp

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server tells of itself: its version, its name among its like, its limits, its optional abilities."""

    version: str
    server_id: str
    max_payload_bytes: int
    idempotency_window: timedelta
    event_retention: timedelta
    features: tuple[str, ...] = ()


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Answers AdminService; what it does not define stands in UNIMPLEMENTED_RPCS."""

    def __init__(self, info: ServerInfo, *, max_message_bytes: int) -> None:
        self._info = info
        self._max_message_bytes = max_message_bytes

    async def GetServerInfo(
        self, request: admin_service_pb2.GetServerInfoRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> admin_service_pb2.GetServerInfoResponse:
        """Say what this server is, and its limits."""
        return admin_service_pb2.GetServerInfoResponse(
            version=self._info.version,
            server_id=self._info.server_id,
            server_time=timestamp(datetime.now(UTC)),
            max_message_bytes=self._max_message_bytes,
            max_payload_bytes=self._info.max_payload_bytes,
            idempotency_window=duration(self._info.idempotency_window),
            event_retention=duration(self._info.event_retention),
            features=self._info.features,
        )
