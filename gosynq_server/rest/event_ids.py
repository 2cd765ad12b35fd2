"""What the ids of server-sent events mean: the place in a stream that a caller goes on from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from google.protobuf.message import Message

HEADER: Final = "Last-Event-ID"
"""What an EventSource sends when it connects again: the last id that it saw."""

CURSOR: Final = "cursor"
"""The field of a request, and of a response, that says a place."""

END: Final = "end"
"""The id of a stream's last event. There is nothing to go on with: whoever comes with it gets 204 and stays away."""

_OTHER_STARTS: Final = ("snapshot",)
"""What says where to begin besides the fields that share a oneof with the cursor."""


def id_of(response: Message) -> str:
    """Return the id from which a stream goes on right after this response, "" where there is none."""
    return getattr(response, CURSOR, "")


def resume(request: Message, event_id: str) -> None:
    """Let a request go on from an id. What else says where to begin gives way: an EventSource repeats its URL."""
    setattr(request, CURSOR, event_id)
    for name in _OTHER_STARTS:
        if name in request.DESCRIPTOR.fields_by_name:
            request.ClearField(name)
