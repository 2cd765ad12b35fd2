"""One RPC on behalf of one HTTP request: what is passed on, for how long, and until when the caller is there."""

from __future__ import annotations

import asyncio
import math
import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import grpc

from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message
    from starlette.datastructures import Headers

REQUEST_ID: Final = "x-request-id"
TIMEOUT: Final = "x-request-timeout"
FORWARDED: Final = ("authorization", "traceparent", "tracestate", "baggage")
DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
MAX_TIMEOUT: Final = timedelta(hours=1)
WAIT_MARGIN: Final = timedelta(seconds=2)

WAIT_FIELDS: Final[Mapping[str, str]] = {"WaitJobRequest": "timeout", "LeaseJobsRequest": "wait"}
"""The field that says how long a call may wait for what it is about, by the request's name."""

_PRINTABLE: Final = re.compile(r"[ -~]*")
_REQUEST_ID: Final = re.compile(r"[!-~]{1,128}")


def request_id(headers: Headers) -> str:
    """Return the caller's request id, or a new one if there is none that could stand in a log and in metadata."""
    given = headers.get(REQUEST_ID, "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def call_metadata(headers: Headers, identity: str) -> list[tuple[str, str]]:
    """Return what is passed on of the HTTP headers, and the request id."""
    metadata = [(REQUEST_ID, identity)]
    for name in FORWARDED:
        for value in headers.getlist(name):
            if not _PRINTABLE.fullmatch(value):
                raise FieldInvalid(name, "has a character that is not printable ASCII")
            metadata.append((name, value))
    return metadata


def stream_timeout(headers: Headers) -> float | None:
    """Return how many seconds a stream may last: what the caller says, or as long as both sides want it to."""
    said = headers.get(TIMEOUT)
    return None if said is None else _said_timeout(said).total_seconds()


def call_timeout(headers: Headers, request: Message) -> timedelta:
    """Return how long the call may take: what the caller says, or a little more than it may wait, or 30 s."""
    said = headers.get(TIMEOUT)
    return _waiting_timeout(request) if said is None else _said_timeout(said)


async def call_while_present(
    call: grpc.aio.UnaryUnaryCall[Any, Message], receive: Callable[[], Awaitable[Any]]
) -> Message | grpc.aio.AioRpcError | None:
    """Return the response, the RPC's error, or None once the HTTP caller is gone, whose RPC is then cancelled.

    `receive` is the ASGI one of a request whose body was read: the next thing to come from it is the disconnect.
    """
    async with asyncio.TaskGroup() as group:
        watcher = group.create_task(cancel_when_gone(call, receive))
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            return error
        except asyncio.CancelledError:
            if not watcher.done():
                raise
            return None
        finally:
            watcher.cancel()


async def cancel_when_gone(call: grpc.aio.Call, receive: Callable[[], Awaitable[Any]]) -> None:
    """Cancel a call when the HTTP caller leaves, whose body was read."""
    await receive()
    call.cancel()


def _waiting_timeout(request: Message) -> timedelta:
    field = WAIT_FIELDS.get(request.DESCRIPTOR.name)
    if field is None:
        return DEFAULT_TIMEOUT
    wait = getattr(request, field)
    return (wait.ToTimedelta() if request.HasField(field) else DEFAULT_TIMEOUT) + WAIT_MARGIN


def _said_timeout(text: str) -> timedelta:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MAX_TIMEOUT.total_seconds():
        limit = int(MAX_TIMEOUT.total_seconds())
        raise FieldInvalid("X-Request-Timeout", f"must be a number of seconds above 0 and up to {limit}")
    return timedelta(seconds=seconds)
