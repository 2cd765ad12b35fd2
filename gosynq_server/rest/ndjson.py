"""Newline-delimited JSON: one object a line, as grpc-gateway writes a stream.

Its media type here is not application/json, as grpc-gateway's is by default: a whole body of several lines is not JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from gosynq_server.rest.json_out import write_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gosynq_server.rest.errors import Failure

MEDIA_TYPE: Final = "application/x-ndjson"


class JsonLines:
    """A stream as `{"result": ...}` a message, and `{"error": ...}` in the end if it failed."""

    media_type = MEDIA_TYPE

    def opening(self) -> bytes:
        """Return nothing: the first line is the first message."""
        return b""

    def message(self, message: Message) -> bytes:
        """Return the line of a message."""
        return orjson.dumps({"result": write_message(message)}, option=orjson.OPT_APPEND_NEWLINE)

    def failure(self, failure: Failure) -> bytes:
        """Return the line of what ended the stream."""
        return orjson.dumps({"error": failure.body()}, option=orjson.OPT_APPEND_NEWLINE)

    def ending(self) -> bytes:
        """Return nothing: a good end is that of the body."""
        return b""
