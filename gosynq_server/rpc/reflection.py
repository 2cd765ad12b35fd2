"""Reflection under both of its names, so that callers without our schema can list, describe and call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.reflection import aio

from gosynq_server.domain.errors import ServerDraining
from gosynq_server.rpc.stream_age import spread, stop_in_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from datetime import timedelta

    from gosynq_server.rpc.handler_table import HandlerTable

V1 = "grpc.reflection.v1.ServerReflection"
V1ALPHA = reflection.SERVICE_NAME


def add_reflection(
    services: Iterable[str], table: HandlerTable, *, draining: asyncio.Event, stream_age: timedelta
) -> None:
    """Serve reflection of these services and of itself; v1 has the messages of v1alpha (grpc/grpc#38576)."""
    names = (V1, V1ALPHA)
    servicer = _Reflection((*services, *names), draining=draining, stream_age=stream_age)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    methods = {"ServerReflectionInfo": handler}
    for name in names:
        table.add_registered_method_handlers(name, methods)


class _Reflection(aio.ReflectionServicer):  # type: ignore[misc]  # the library has no types
    """The library's servicer, finding methods and fields too, by what they stand in; its streams end when told."""

    def __init__(self, services: Iterable[str], *, draining: asyncio.Event, stream_age: timedelta) -> None:
        super().__init__(services)
        self._draining = draining
        self._stream_age = stream_age

    async def ServerReflectionInfo(self, requests: AsyncIterable[Any], context: Any) -> None:  # noqa: N802 - the contract's
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve(requests, context))
            closing = group.create_task(stop_in_time(serving, self._draining, spread(self._stream_age)))
            await asyncio.wait([serving])
            closing.cancel()
        if serving.cancelled():
            raise ServerDraining

    async def _serve(self, requests: AsyncIterable[Any], context: Any) -> None:
        async for answer in super().ServerReflectionInfo(requests, context):
            await context.write(answer)

    def _file_containing_symbol(self, request: Any, symbol: str) -> Any:
        answer = super()._file_containing_symbol(request, symbol)
        if answer.HasField("error_response") and "." in symbol:
            return super()._file_containing_symbol(request, symbol.rpartition(".")[0])
        return answer
