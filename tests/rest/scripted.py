"""A watch that goes as a test says, and what it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gosynq.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc

Response = event_service_pb2.WatchEventsResponse
Step: TypeAlias = Response | Callable[[Any], Awaitable[None]]

OVER = None
"""The step that ends a watch well."""


@dataclass(slots=True, kw_only=True)
class Seen:
    """One call as it reached the server; `seconds` is how long it may take, None for ever."""

    request: Any
    metadata: dict[str, str]
    seconds: float | None


@dataclass(slots=True)
class ScriptedEvents(event_service_pb2_grpc.EventServiceServicer):
    """Takes a step after another: a response to send, or a function that is run with the call's context."""

    seen: list[Seen] = field(default_factory=list)
    steps: asyncio.Queue[Step | None] = field(default_factory=asyncio.Queue)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def then(self, *steps: Step | None) -> None:
        """Go on by these steps."""
        for step in steps:
            self.steps.put_nowait(step)

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[Response]:  # noqa: N802 - the RPC names it
        self.seen.append(seen(request, context))
        self.opened.set()
        try:
            while (step := await self.steps.get()) is not OVER:
                if isinstance(step, Response):
                    yield step
                else:
                    await step(context)
        finally:
            self.ended.set()


def seen(request: Message, context: Any) -> Seen:
    metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    return Seen(request=request, metadata=metadata, seconds=context.time_remaining())


def status_of(code: int, message: str, *details: Message) -> Any:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


def failing(code: int, reason: str, message: str) -> Callable[[Any], Awaitable[None]]:
    """Return the step that ends a watch with an error."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="gosynq")

    async def fail(context: Any) -> None:
        await context.abort_with_status(status_of(code, message, info))

    return fail


def a_response(cursor: str, *events: event_pb2.JobEvent) -> Response:
    return Response(cursor=cursor, events=events)


def an_event(event_id: str, kind: event_pb2.EventType.ValueType = event_pb2.EVENT_TYPE_CREATED) -> event_pb2.JobEvent:
    return event_pb2.JobEvent(event_id=event_id, type=kind, queue="high")
