"""EventService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq.v1 import event_service_pb2, event_service_pb2_grpc
from gosynq_server.rpc.convert_events import event_query_of, watch_query_of
from gosynq_server.rpc.encoded_events import EncodedEvents
from gosynq_server.rpc.stream_age import spread
from gosynq_server.rpc.watch_responses import WatchResponses, page_message
from gosynq_server.rpc.watch_stream import WatchStream

if TYPE_CHECKING:
    import asyncio
    from datetime import timedelta

    import grpc

    from gosynq_server.rpc.watch_stream import WatchObserver
    from gosynq_server.service.event_pages import EventPages
    from gosynq_server.service.watches import Watches

    Context = grpc.aio.ServicerContext[Any, Any]


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """Answers EventService."""

    def __init__(
        self,
        watches: Watches,
        pages: EventPages,
        *,
        draining: asyncio.Event,
        stream_age: timedelta,
        observer: WatchObserver,
    ) -> None:
        self._watches = watches
        self._pages = pages
        self._draining = draining
        self._stream_age = stream_age
        self._observer = observer
        self._encoded = EncodedEvents()

    async def WatchEvents(  # type: ignore[override]  # it writes through the context and yields nothing
        self, request: event_service_pb2.WatchEventsRequest, context: Context
    ) -> None:
        """Stream events as they come."""
        query = watch_query_of(request)
        responses = WatchResponses(self._encoded, with_content=query.with_content)
        stream = WatchStream(self._watches, responses, context, observer=self._observer)
        await stream.run(query, draining=self._draining, age=spread(self._stream_age))

    async def ListEvents(
        self, request: event_service_pb2.ListEventsRequest, context: Context
    ) -> event_service_pb2.ListEventsResponse:
        """Return a page of stored events."""
        query = event_query_of(request)
        return page_message(await self._pages.read(query), with_content=query.with_content)
