"""Reading stored events, over a real connection."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2
from gosynq_client import Client, EventType, GosynqError, Priority
from tests.contract.client.scripted import UNAVAILABLE, Script, status

START = datetime(2030, 1, 1, tzinfo=UTC)
END = datetime(2031, 1, 1, tzinfo=UTC)


def page(cursor: str, *events: str, following: str = "") -> event_service_pb2.ListEventsResponse:
    return event_service_pb2.ListEventsResponse(
        events=[event_pb2.JobEvent(event_id=event) for event in events], next_page_token=following, cursor=cursor
    )


async def test_events_are_asked_for_with_everything_that_was_said_of_them(script: Script, client: Client) -> None:
    script.answer("ListEvents", page("c1"))

    events = client.events(
        queues=["mail"],
        kinds=["send_email"],
        types=[EventType.CREATED],
        job_ids=["job-1"],
        labels={"tenant": "acme"},
        priorities=[Priority.LOW],
        start_at=START,
        end_at=END,
        include_payload=True,
        page_size=7,
    )

    assert [event async for event in events] == []
    assert script.requests("ListEvents") == [
        event_service_pb2.ListEventsRequest(
            queues=["mail"],
            kinds=["send_email"],
            types=[event_pb2.EVENT_TYPE_CREATED],
            job_ids=["job-1"],
            labels=["tenant=acme"],
            priorities=[job_pb2.JOB_PRIORITY_LOW],
            start_at=Timestamp(seconds=int(START.timestamp())),
            end_at=Timestamp(seconds=int(END.timestamp())),
            include_payload=True,
            page_size=7,
        )
    ]


async def test_pages_follow_each_other_to_the_end_also_over_an_empty_one(script: Script, client: Client) -> None:
    script.answer(
        "ListEvents",
        page("c1", "a", "b", following="p1"),
        page("c2", following="p2"),
        UNAVAILABLE,
        page("c3", "c"),
    )
    events = client.events(queues=["mail"])

    assert [event.event_id async for event in events] == ["a", "b", "c"]
    asked = script.requests("ListEvents")
    assert [request.page_token for request in asked] == ["", "p1", "p2", "p2"]
    assert {tuple(request.queues) for request in asked} == {("mail",)}
    assert events.cursor == "c3"


async def test_the_cursor_is_that_of_the_last_page_that_was_given(script: Script, client: Client) -> None:
    script.answer("ListEvents", page("c1", "a", following="p1"), page("c2", "b", "c"))
    events = client.events()

    assert events.cursor is None
    async for event in events:
        if event.event_id == "b":
            break
    assert events.cursor == "c1"


async def test_a_list_may_be_read_again_from_its_beginning(script: Script, client: Client) -> None:
    script.answer("ListEvents", page("c1", "a", following="p1"), page("c2", "b"), page("c2", "a", "b"))
    events = client.events()

    assert [event.event_id async for event in events] == ["a", "b"]
    assert [event.event_id async for event in events] == ["a", "b"]
    assert script.requests("ListEvents")[2].page_token == ""


async def test_a_refusal_is_raised(script: Script, client: Client) -> None:
    script.answer("ListEvents", status(grpc.StatusCode.INVALID_ARGUMENT, "no"))

    with pytest.raises(GosynqError, match="no"):
        [event async for event in client.events()]
