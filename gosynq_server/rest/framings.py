"""How a stream is written into an HTTP body: as lines of JSON, or as server-sent events to whoever asks for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from gosynq_server.rest import ndjson, sse

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gosynq_server.rest.errors import Failure

_WEIGHT: Final = re.compile(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", re.IGNORECASE)


class Framing(Protocol):
    """What stands in the body for the start of a stream, for each message, and for either end."""

    media_type: str

    def opening(self) -> bytes:
        """Return what comes before all else."""

    def message(self, message: Message) -> bytes:
        """Return a message as it is written."""

    def failure(self, failure: Failure) -> bytes:
        """Return what is told when the stream fails after it began."""

    def ending(self) -> bytes:
        """Return what is told when the stream ends well."""


def framing_for(accept: str) -> Framing:
    """Return the framing that an Accept header asks for: events if it names them and no lines that it likes better."""
    weights = dict(_weighed(part) for part in accept.split(","))
    events = weights.get(sse.MEDIA_TYPE, 0.0)
    return sse.EventStream() if events and events >= weights.get(ndjson.MEDIA_TYPE, 0.0) else ndjson.JsonLines()


def _weighed(media_range: str) -> tuple[str, float]:
    name, *parameters = media_range.split(";")
    weights = [float(found[1]) for parameter in parameters if (found := _WEIGHT.fullmatch(parameter))]
    return name.strip().lower(), weights[-1] if weights else 1.0
