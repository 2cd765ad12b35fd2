"""The HTTP response of a server-streaming RPC, which lasts as long as the call."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import grpc
from starlette.responses import Response

from gosynq_server.rest.apart import apart
from gosynq_server.rest.calls import REQUEST_ID, cancel_when_gone
from gosynq_server.rest.errors import Failure, call_failure, internal_failure, refusal_failure
from gosynq_server.rest.refusals import ServerDraining
from gosynq_server.rest.responses import failure_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message
    from starlette.types import Receive, Scope, Send

    from gosynq_server.rest.bindings import Binding
    from gosynq_server.rest.framings import Framing
    from gosynq_server.rest.streams import Streams

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store, no-transform",
    "vary": "accept",
    "x-accel-buffering": "no",
}
"""No cache keeps it, and no proxy holds it back: not to compress it (no-transform), not to fill a buffer (nginx)."""

_GONE: Final = Failure(code=grpc.StatusCode.CANCELLED, message="the caller is gone", http_status=499)

_log = logging.getLogger(__name__)


class StreamAnswer(Response):
    """One message is read, written, and only then the next one read.

    So a slow reader holds up the writing, that the reading, and that the server: nothing piles up in between. A call
    that is refused before its first message is answered as any refused call; later the framing tells of it.
    """

    def __init__(
        self, call: grpc.aio.UnaryStreamCall[Any, Message], *, binding: Binding, framing: Framing, streams: Streams
    ) -> None:
        self._call = call
        self._messages = aiter(call)
        self._binding = binding
        self._framing = framing
        self._streams = streams
        self.status_code = 200
        self.media_type = framing.media_type
        self.init_headers(HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the call ends, the caller leaves or the edge stops."""
        with self._streams.holding(self._call):
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(cancel_when_gone(self._call, receive))
                await self._serve(scope, receive, send)
                watcher.cancel()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await self._next()
        if isinstance(first, Failure):
            refusal = failure_response(first)
            refusal.headers[REQUEST_ID] = self.headers[REQUEST_ID]
            await refusal(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        rest = b"" if scope["method"] == "HEAD" else await self._send_from(first, send)
        await send({"type": "http.response.body", "body": rest, "more_body": False})

    async def _send_from(self, first: bytes | None, send: Send) -> bytes:
        """Send everything from the first message on, and return what is to be the last of the body."""
        lead = self._framing.opening()
        part: bytes | Failure | None = first
        while isinstance(part, bytes):
            await send({"type": "http.response.body", "body": lead + part, "more_body": True})
            lead, part = b"", await self._next()
        return lead + (self._framing.ending() if part is None else self._framing.failure(part))

    async def _next(self) -> bytes | Failure | None:
        """Return the next message as it is written, why there is none, or None at the good end."""
        try:
            message = await anext(self._messages)
            return await apart(message.ByteSize(), self._written, message)
        except StopAsyncIteration:
            return None
        except grpc.aio.AioRpcError as error:
            return call_failure(error, body=self._binding.body_field)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            # It was the call that was cancelled.
            return refusal_failure(ServerDraining()) if self._streams.closed else _GONE
        except Exception:  # noqa: BLE001 - the edge: the log is told what it was, the caller where to look
            identity = self.headers[REQUEST_ID]
            _log.exception("stream failed", extra={"request_id": identity, "rpc": self._binding.full_method})
            return internal_failure(identity)

    def _written(self, message: Message) -> bytes:
        return self._framing.message(self._binding.shown(message))


def _is_cancelled() -> bool:
    """Tell whether the task that runs is cancelled itself, not only something that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
