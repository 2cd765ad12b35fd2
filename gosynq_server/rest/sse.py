"""Server-sent events, as a browser's EventSource reads them and connects again (HTML standard, section 9.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import orjson

from gosynq_server.rest.browser_events import browser_events
from gosynq_server.rest.event_ids import END, id_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gosynq_server.rest.errors import Failure

MEDIA_TYPE: Final = "text/event-stream"
RETRY: Final = timedelta(seconds=1)


class EventStream:
    """A stream as the events of its messages, then one named `error` or `end`.

    Of a message only the last event has an id. Those before it stand under the id of the message before, as the
    standard has it: whoever breaks off among them is sent them again, and misses none.
    """

    media_type = MEDIA_TYPE

    def opening(self) -> bytes:
        """Return how many milliseconds to wait before connecting again."""
        return b"retry: %d\n\n" % (RETRY // timedelta(milliseconds=1))

    def message(self, message: Message) -> bytes:
        """Return the events of a message, the last one with the message's id."""
        *others, last = browser_events(message)
        return b"".join(_event(*other) for other in others) + _event(*last, event_id=id_of(message))

    def failure(self, failure: Failure) -> bytes:
        """Return the event that tells what ended the stream; a caller goes on from the last id that it saw."""
        return _event("error", failure.body())

    def ending(self) -> bytes:
        """Return the event of the good end, whose id keeps an EventSource from beginning anew."""
        return _event("end", {}, event_id=END)


def _event(name: str, data: object, *, event_id: str = "") -> bytes:
    """Return one event. Its data is one line, as JSON escapes line ends."""
    lines = [f"event: {name}".encode()] if name else []
    if event_id:
        lines.append(f"id: {event_id}".encode())
    return b"\n".join([*lines, b"data: " + orjson.dumps(data), b"", b""])
