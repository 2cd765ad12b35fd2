"""A stream's messages as a page listens to them, by addEventListener("failed", ...): one event each time it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gosynq.v1 import event_pb2, event_service_pb2
from gosynq_server.rest.descriptors import enum_names
from gosynq_server.rest.json_out import write_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    BrowserEvent = tuple[str, dict[str, Any]]
    """A name and what is told under it. One without a name reaches `onmessage`."""

SNAPSHOT: Final = "snapshot"
SNAPSHOT_COMPLETE: Final = "snapshot_complete"
BOOKMARK: Final = "bookmark"


def browser_events(message: Message) -> list[BrowserEvent]:
    """Return the events of a message, at least one: its own parts if it is a watch's, else the message itself."""
    if isinstance(message, event_service_pb2.WatchEventsResponse):
        return list(_watched(message)) or [(BOOKMARK, _place(message))]
    return [("", write_message(message))]


def _watched(response: event_service_pb2.WatchEventsResponse) -> Iterator[BrowserEvent]:
    for job in response.snapshot_jobs:
        yield SNAPSHOT, write_message(job)
    if response.snapshot_complete:
        yield SNAPSHOT_COMPLETE, _place(response)
    names = enum_names(event_pb2.EventType.DESCRIPTOR).short_of
    for event in response.events:
        # A newer server's type is told by its number, as it is in the event itself.
        yield names.get(event.type, str(event.type)), write_message(event)


def _place(response: event_service_pb2.WatchEventsResponse) -> dict[str, Any]:
    return {"cursor": response.cursor, "server_time": response.server_time.ToJsonString()}
