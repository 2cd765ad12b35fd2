"""What the tests of watches script a server with, and how they take what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2
from gosynq_client import (
    JobEvent,
    Watch,
)
from tests.contract.client.scripted import Context, Script, WatchScript, status

SECONDS = 10
NOW = Timestamp(seconds=1000)


def reason(code: grpc.StatusCode, reason: str, **metadata: str) -> status_pb2.Status:
    return status(code, reason, error_details_pb2.ErrorInfo(reason=reason, domain="gosynq", metadata=metadata))


DRAINING = reason(grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING")


def told(cursor: str, *events: str) -> event_service_pb2.WatchEventsResponse:
    return event_service_pb2.WatchEventsResponse(
        cursor=cursor, events=[event_pb2.JobEvent(event_id=event) for event in events], server_time=NOW
    )


def jobs(*ids: str, **more: Any) -> event_service_pb2.WatchEventsResponse:
    return event_service_pb2.WatchEventsResponse(snapshot_jobs=[job_pb2.Job(id=id_) for id_ in ids], **more)


def says(*responses: Message) -> WatchScript:
    """Give these responses, the last of which may be a refusal, and end with OK otherwise."""

    async def follow(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        for response in responses:
            if isinstance(response, status_pb2.Status):
                await context.abort_with_status(rpc_status.to_status(response))
            yield response

    return follow


def stays(*responses: Message, left: asyncio.Event | None = None) -> WatchScript:
    """Give these responses, and nothing more, but stay; tell when the caller has left."""

    async def follow(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        for response in responses:
            yield response
        try:
            await asyncio.Event().wait()
        finally:
            if left:
                left.set()

    return follow


async def take(watch: Watch[JobEvent], count: int) -> list[str]:
    async with asyncio.timeout(SECONDS):
        return [(await anext(watch)).event_id for _ in range(count)]


def starts(script: Script) -> list[str]:
    """Give the cursors that watches were asked to go on from."""
    return [request.cursor for request in script.requests("WatchEvents")]
