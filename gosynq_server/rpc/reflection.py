"""Reflection under both of its names, so that callers without our schema can list, describe and call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection import aio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_server.rpc.handler_table import HandlerTable

V1 = "grpc.reflection.v1.ServerReflection"
V1ALPHA = reflection.SERVICE_NAME


def add_reflection(services: Iterable[str], table: HandlerTable) -> None:
    """Serve reflection of these services and of itself; v1 has the messages of v1alpha (grpc/grpc#38576)."""
    names = (V1, V1ALPHA)
    servicer = _Reflection((*services, *names))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    for name in names:
        table.add_registered_method_handlers(name, methods)


class _Reflection(aio.ReflectionServicer):  # type: ignore[misc]  # the library has no types
    """The library's servicer, finding methods and fields too, by what they stand in."""

    def _file_containing_symbol(self, request: Any, symbol: str) -> Any:
        answer = super()._file_containing_symbol(request, symbol)
        if answer.HasField("error_response") and "." in symbol:
            return super()._file_containing_symbol(request, symbol.rpartition(".")[0])
        return answer
