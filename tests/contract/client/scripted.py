"""A real server of the generated services that records what it is asked and answers what a test scripted."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from gosynq.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
    queue_service_pb2,
    queue_service_pb2_grpc,
    schedule_service_pb2,
    schedule_service_pb2_grpc,
)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
StreamScript: TypeAlias = Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]]
WatchScript: TypeAlias = Callable[[event_service_pb2.WatchEventsRequest, Context], AsyncIterator[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One call as it arrived; the seconds are what its deadline leaves."""

    request: Any
    metadata: dict[str, str | bytes]
    seconds: float | None


@dataclass(slots=True)
class Script:
    """What the server is to answer, by method, in turn; and what it was asked."""

    answers: defaultdict[str, deque[Message]] = field(default_factory=lambda: defaultdict(deque))
    received: defaultdict[str, list[Received]] = field(default_factory=lambda: defaultdict(list))
    hangs: set[str] = field(default_factory=set)
    stream: StreamScript | None = None
    watches: deque[WatchScript] = field(default_factory=deque)

    def answer(self, method: str, *messages: Message) -> None:
        """Answer so; a google.rpc.Status is a refusal."""
        self.answers[method].extend(messages)

    def requests(self, method: str) -> list[Any]:
        """Give what the method was asked, in order."""
        return [call.request for call in self.received[method]]

    def receive(self, method: str, request: Message, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self.received[method].append(Received(request=request, metadata=metadata, seconds=context.time_remaining()))

    async def handle(self, method: str, request: Message, context: Context) -> Message:
        self.receive(method, request, context)
        if method in self.hangs:
            await asyncio.Event().wait()
        message = self.answers[method].popleft()
        if isinstance(message, status_pb2.Status):
            await context.abort_with_status(rpc_status.to_status(message))
        return message


def status(code: grpc.StatusCode, message: str, *details: Message) -> status_pb2.Status:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return status_pb2.Status(code=code.value[0], message=message, details=packed)


UNAVAILABLE = status(grpc.StatusCode.UNAVAILABLE, "going down")


class ScriptedJobs(job_service_pb2_grpc.JobServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def StreamEnqueueJobs(  # noqa: N802 - the contract names it
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        assert self._script.stream is not None
        async for response in self._script.stream(request_iterator, context):
            yield response


class ScriptedAdmin(admin_service_pb2_grpc.AdminServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script


class ScriptedQueues(queue_service_pb2_grpc.QueueServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script


class ScriptedSchedules(schedule_service_pb2_grpc.ScheduleServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script


class ScriptedEvents(event_service_pb2_grpc.EventServiceServicer):
    def __init__(self, script: Script) -> None:
        self._script = script

    async def WatchEvents(  # noqa: N802 - the contract names it
        self, request: event_service_pb2.WatchEventsRequest, context: Context
    ) -> AsyncIterator[Any]:
        """Follow the next script; the last one is followed again by whoever else comes."""
        self._script.receive("WatchEvents", request, context)
        watches = self._script.watches
        async for response in (watches.popleft() if len(watches) > 1 else watches[0])(request, context):
            yield response


def _scripted(method: str) -> Callable[..., Any]:
    async def handle(self: Any, request: Message, context: Context) -> Message:
        answer: Message = await self._script.handle(method, request, context)
        return answer

    return handle


for servicer, file in (
    (ScriptedJobs, job_service_pb2),
    (ScriptedAdmin, admin_service_pb2),
    (ScriptedEvents, event_service_pb2),
    (ScriptedQueues, queue_service_pb2),
    (ScriptedSchedules, schedule_service_pb2),
):
    for service in file.DESCRIPTOR.services_by_name.values():
        for descriptor in service.methods:
            if not (descriptor.client_streaming or descriptor.server_streaming):
                setattr(servicer, descriptor.name, _scripted(descriptor.name))


def new_server(script: Script) -> grpc.aio.Server:
    """Make a server of the script; the caller binds, starts and stops it."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    job_service_pb2_grpc.add_JobServiceServicer_to_server(
        ScriptedJobs(script),  # type: ignore[abstract]  # its methods were set above
        server,
    )
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(
        ScriptedAdmin(script),  # type: ignore[abstract]  # as above
        server,
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(
        ScriptedEvents(script),  # type: ignore[abstract]  # as above
        server,
    )
    queue_service_pb2_grpc.add_QueueServiceServicer_to_server(
        ScriptedQueues(script),  # type: ignore[abstract]  # as above
        server,
    )
    schedule_service_pb2_grpc.add_ScheduleServiceServicer_to_server(
        ScriptedSchedules(script),  # type: ignore[abstract]  # as above
        server,
    )
    return server
