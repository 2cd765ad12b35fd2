import json
from pathlib import Path

import pytest
from google.protobuf import timestamp_pb2
from google.protobuf.message import Message

from gosynq.v1 import event_pb2, event_service_pb2, job_service_pb2
from gosynq_server.rest import event_ids
from gosynq_server.rest.browser_events import BOOKMARK, SNAPSHOT, SNAPSHOT_COMPLETE, browser_events
from gosynq_server.rest.descriptors import enum_names
from gosynq_server.rest.event_ids import resume
from gosynq_server.rest.framings import framing_for
from gosynq_server.rest.ndjson import JsonLines
from gosynq_server.rest.sse import EventStream
from gosynq_server.rest.stream_answer import HEADERS
from gosynq_server.rest.streams import MAX_STREAMS

LINES, EVENTS = "application/x-ndjson", "text/event-stream"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", LINES),
        ("*/*", LINES),
        ("application/json", LINES),
        ("application/x-ndjson", LINES),
        ("text/html, application/xhtml+xml, */*;q=0.8", LINES),
        ("text/event-streams", LINES),
        ("text/event-stream;q=0", LINES),
        ("text/event-stream; q=0.5, application/x-ndjson", LINES),
        ("text/event-stream", EVENTS),
        ("Text/Event-Stream ; charset=utf-8", EVENTS),
        ("text/event-stream, */*", EVENTS),
        ("application/json, text/event-stream", EVENTS),
        ("application/x-ndjson;q=0.5, text/event-stream;Q=0.8", EVENTS),
        ("text/event-stream;q=much", EVENTS),
        (",,;,text/event-stream", EVENTS),
    ],
)
def test_events_are_for_who_names_them(accept: str, media_type: str) -> None:
    assert framing_for(accept).media_type == media_type


def test_a_line_is_a_message_in_json() -> None:
    line = JsonLines().message(event_service_pb2.ListEventsResponse(cursor="c1"))

    assert line == b'{"result":{"events":[],"next_page_token":"","cursor":"c1"}}\n'


def test_a_message_of_another_stream_is_an_event_without_a_name() -> None:
    written = EventStream().message(job_service_pb2.GetJobRequest(job_id="a\nb"))

    assert written == b'data: {"job_id":"a\\nb","view":"unspecified"}\n\n'


def test_another_streams_cursor_is_its_id_as_well() -> None:
    written = EventStream().message(event_service_pb2.ListEventsResponse(cursor="c1"))

    assert written.startswith(b"id: c1\ndata: {")


def test_a_response_with_nothing_in_it_is_a_bookmark() -> None:
    response = event_service_pb2.WatchEventsResponse(cursor="c1", server_time=timestamp_pb2.Timestamp(seconds=1))

    assert browser_events(response) == [("bookmark", {"cursor": "c1", "server_time": "1970-01-01T00:00:01Z"})]


def test_a_type_that_is_not_known_yet_is_named_by_its_number() -> None:
    event = event_pb2.JobEvent()
    event.MergeFromString(b"\x10\x63")

    [(name, told)] = browser_events(event_service_pb2.WatchEventsResponse(events=[event]))

    assert (name, told["type"]) == ("99", 99)


def test_the_page_on_streams_has_the_names_and_types_that_are_sent() -> None:
    page = (Path(__file__).parents[3] / "docs" / "streams.md").read_text(encoding="utf-8")

    for name in (BOOKMARK, SNAPSHOT, SNAPSHOT_COMPLETE, "error", "end", event_ids.END):
        assert f"| `{name}` |" in page
    assert all(word in page for word in (LINES, EVENTS, event_ids.HEADER, f"{MAX_STREAMS} streams"))
    assert all(f"{name}: {value}".lower() in page.lower() for name, value in HEADERS.items() if name != "vary")


def test_no_type_has_a_name_that_means_something_else_to_a_browser_or_here() -> None:
    taken = {"open", "error", "message", "end", BOOKMARK, SNAPSHOT, SNAPSHOT_COMPLETE}

    assert not taken & set(enum_names(event_pb2.EventType.DESCRIPTOR).short_of.values())


@pytest.mark.parametrize(
    "request_",
    [
        event_service_pb2.WatchEventsRequest(snapshot=True),
        event_service_pb2.WatchEventsRequest(from_oldest=True),
        event_service_pb2.WatchEventsRequest(cursor="c1"),
    ],
)
def test_resuming_leaves_nothing_else_that_says_where_to_begin(request_: Message) -> None:
    resume(request_, "c2")

    assert request_ == event_service_pb2.WatchEventsRequest(cursor="c2")


def test_resuming_needs_no_snapshot() -> None:
    response = event_service_pb2.ListEventsResponse()

    resume(response, "c2")

    assert json.loads(JsonLines().message(response))["result"]["cursor"] == "c2"
