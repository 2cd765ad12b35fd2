"""The events that are stored, read page after page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from gosynq.v1 import event_service_pb2
from gosynq_client.replies import read_event

if TYPE_CHECKING:
    from gosynq_client.events import JobEvent

AskPage: TypeAlias = Callable[[event_service_pb2.ListEventsRequest], Awaitable[event_service_pb2.ListEventsResponse]]


class EventList:
    """Gives stored events, oldest first, to `async for`; each iteration begins with the first page."""

    def __init__(self, ask: AskPage, request: event_service_pb2.ListEventsRequest) -> None:
        self._ask = ask
        self._first = request
        self._cursor = ""

    @property
    def cursor(self) -> str | None:
        """Where the last page ends whose events have all been given: a watch goes on from here. None before it."""
        return self._cursor or None

    async def __aiter__(self) -> AsyncIterator[JobEvent]:
        request = event_service_pb2.ListEventsRequest()
        request.CopyFrom(self._first)
        while True:
            page = await self._ask(request)
            for event in page.events:
                yield read_event(event)
            self._cursor = page.cursor
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
