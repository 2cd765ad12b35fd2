"""What the OpenAPI document says of streams: the two ways in which their messages stand in a body."""

from __future__ import annotations

from typing import Any, Final

from gosynq_server.rest import event_ids, ndjson, sse
from gosynq_server.rest.browser_events import BOOKMARK, SNAPSHOT, SNAPSHOT_COMPLETE
from gosynq_server.rest.openapi_schemas import ERROR_NAME

RESUMING: Final = (
    "The id of the last server-sent event that was seen, which is the cursor of its message. The stream goes on right "
    "after it, whatever the query says of where to begin."
)

OVER: Final = f"The stream had come to its good end: {event_ids.HEADER} is `{event_ids.END}`."

_LINES: Final = (
    "One object a line: `result` for each message, and `error` as the last one if the stream fails after it began."
)

_EVENTS: Final = (
    "Server-sent events, for whoever names text/event-stream in Accept. Of a watch each JobEvent is an event under its "
    f"type's name, such as `created`; a snapshot is an event `{SNAPSHOT}` for each job, then `{SNAPSHOT_COMPLETE}`; a "
    f"response without either is a `{BOOKMARK}`. Of another stream each message is an event without a name. The data "
    "is JSON. The last event of a message has the cursor as its id. A failure after the start is an event `error`, "
    "whose data is an Error; a good end is an event `end`."
)


def content(result: dict[str, Any]) -> dict[str, Any]:
    """Return the bodies of a stream whose messages have that schema."""
    error = {"$ref": f"#/components/schemas/{ERROR_NAME}"}
    line = {"type": "object", "description": _LINES, "properties": {"result": result, "error": error}}
    return {
        ndjson.MEDIA_TYPE: {"schema": line},
        sse.MEDIA_TYPE: {"schema": {"type": "string", "description": _EVENTS}},
    }
