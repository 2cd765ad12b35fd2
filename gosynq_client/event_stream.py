"""One call of WatchEvents, read until it ends or falls silent."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import grpc

from gosynq.v1 import event_service_pb2
from gosynq_client.errors import Unavailable
from gosynq_client.statuses import error_of_call

_SILENT_INTERVALS = 3
"""So many heartbeat intervals without a response, and the stream is dead: the contract says so."""

if TYPE_CHECKING:
    WatchCall: TypeAlias = grpc.aio.UnaryStreamCall[
        event_service_pb2.WatchEventsRequest, event_service_pb2.WatchEventsResponse
    ]
    OpenWatch: TypeAlias = Callable[[event_service_pb2.WatchEventsRequest], WatchCall]


class EventStream:
    """Reads the responses of one call; `responses` counts them."""

    def __init__(self, open_call: OpenWatch, request: event_service_pb2.WatchEventsRequest) -> None:
        self._call = open_call(request)
        # The channel holds on to a call until it ends, also when a loop over a watch was left without closing it.
        weakref.finalize(self, _abandon, asyncio.get_running_loop(), self._call).atexit = False
        self._silence = _SILENT_INTERVALS * request.heartbeat_interval.ToTimedelta().total_seconds()
        self.responses = 0

    async def read(self) -> event_service_pb2.WatchEventsResponse | None:
        """Give the next response; None once the server has ended the stream with OK, or `cancel` has.

        Raises GosynqError when it breaks, and Unavailable too for a silence that only a dead stream keeps. Whatever it
        raises, and be it for its reader being cancelled, the stream is over.
        """
        try:
            async with asyncio.timeout(self._silence):
                response = await self._call.read()
        except TimeoutError as error:
            self.cancel()
            raise Unavailable(f"the server has said nothing for {self._silence:g} s") from error
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure) from failure
        except asyncio.CancelledError:
            # gRPC ends the reader of a call that was cancelled so, but that is no wish to cancel the reader's task.
            self.cancel()
            if _is_cancelling():
                raise
            return None
        if not isinstance(response, event_service_pb2.WatchEventsResponse):  # but grpc.aio.EOF
            return None
        self.responses += 1
        return response

    def cancel(self) -> None:
        """End the call, and a `read` that waits. Repeating it is harmless."""
        self._call.cancel()


def _abandon(loop: asyncio.AbstractEventLoop, call: WatchCall) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call.cancel)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
