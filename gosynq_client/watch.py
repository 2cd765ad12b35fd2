"""A watch of events that goes on by itself, right after what it last gave, whatever interrupts it."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from gosynq_client.errors import GosynqError, Unavailable
from gosynq_client.event_stream import EventStream
from gosynq_client.events import SnapshotBegun, SnapshotComplete
from gosynq_client.replies import read_event, read_job
from gosynq_client.times import moment_of

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from gosynq.v1 import event_pb2, event_service_pb2
    from gosynq_client.event_stream import OpenWatch
    from gosynq_client.events import WatchItem
    from gosynq_client.resuming import Patience

_Item = TypeVar("_Item")

_REMEMBERED = 1000
"""A resumed stream may repeat the events of one response, which holds no more than these."""


class Watch(Generic[_Item]):
    """Gives events as they happen: iterate over it with `async for`, several times if need be, and close it.

        async with client.watch(queues=["mail"], cursor=stored) as watch:
            async for event in watch:
                print(event.type, event.job_id, watch.cursor)

    Interrupted by anything that passes (a server that restarts, a lost connection, its own slowness), it is resumed
    from its cursor: no event is left out and none given twice. What does not pass is raised, and ends it:
    CursorExpired, CursorInvalid, ValidationFailed, credentials that do not hold. A wait for the next item may be
    cancelled, as by a time-out, and nothing is lost.
    """

    def __init__(self, open_call: OpenWatch, request: event_service_pb2.WatchEventsRequest, patience: Patience) -> None:
        self._open_call = open_call
        self._request = request
        self._patience = patience
        self._stream: EventStream | None = None
        self._items: deque[WatchItem] = deque()
        self._given: OrderedDict[str, None] = OrderedDict()
        self._cursor = request.cursor
        self._server_time: datetime | None = None
        self._turn = asyncio.Lock()
        self._ended = asyncio.Event()

    @property
    def cursor(self) -> str | None:
        """Where it is: give it to another watch to go on from here; None until a server has answered.

        It moves when everything in a response has been given, or when a response says that there is nothing. So a
        watch from here may repeat up to `max_batch_size` events; their `event_id` tells.
        """
        return self._cursor or None

    @property
    def server_time(self) -> datetime | None:
        """The server's clock when it sent the last response; an event's timestamp against it is how old it was."""
        return self._server_time

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _Item:
        async with self._turn:
            while not self._items:
                if not await self._take_response():
                    raise StopAsyncIteration
            item = self._items.popleft()
            if not self._items:
                self._cursor = self._request.cursor
        # Only a watch with a snapshot is given anything but events; Client.watch says which this is.
        return cast("_Item", item)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End it, and with it an iteration that waits in another task. Closing twice is harmless."""
        self._ended.set()
        self._items.clear()
        if self._stream:
            self._stream.cancel()

    async def _take_response(self) -> bool:
        """Take in what the next response holds, through as many interruptions as it takes; False at the end."""
        try:
            while not self._ended.is_set():
                response = await self._read()
                if response is not None:
                    self._take_in(response)
                    return True
        except Exception:
            await self.aclose()
            raise
        return False

    async def _read(self) -> event_service_pb2.WatchEventsResponse | None:
        """Read from the stream, or from a new one; None if there was none to read, but the end or an interruption."""
        stream = self._stream = self._stream or EventStream(self._open_call, self._request)
        try:
            response = await stream.read()
            if response is None:
                await self._end()
        except GosynqError as error:
            self._stream = None
            await self._wait_out(error, stream.responses)
            return None
        except asyncio.CancelledError:
            self._stream = None
            raise
        return response

    async def _end(self) -> None:
        if not (self._request.stop_when_terminal or self._ended.is_set()):
            raise Unavailable("the server ended a stream that has no end")
        await self.aclose()

    async def _wait_out(self, error: GosynqError, responses: int) -> None:
        now = asyncio.get_running_loop().time()
        chance = random.random()  # noqa: S311 - spreads load, hides nothing
        seconds = self._patience.pause_after(error, responses=responses, now=now, chance=chance)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _take_in(self, response: event_service_pb2.WatchEventsResponse) -> None:
        if self._stream and self._stream.responses == 1:
            self._begin()
        self._server_time = moment_of(response.server_time)
        self._items.extend(read_job(job) for job in response.snapshot_jobs)
        if response.snapshot_complete:
            self._items.append(SnapshotComplete())
            self._request.snapshot = False
        self._items.extend(read_event(event) for event in response.events if self._is_new(event))
        # A snapshot that is interrupted is begun again: there is no place inside it to go on from.
        if response.cursor and not self._request.snapshot:
            self._request.cursor = response.cursor
        if not self._items:
            self._cursor = self._request.cursor

    def _begin(self) -> None:
        self._patience.answered()
        if self._request.snapshot:
            self._items.append(SnapshotBegun())

    def _is_new(self, event: event_pb2.JobEvent) -> bool:
        if event.event_id in self._given:
            return False
        self._given[event.event_id] = None
        if len(self._given) > _REMEMBERED:
            self._given.popitem(last=False)
        return True
