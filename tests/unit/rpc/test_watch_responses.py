"""Responses are cut where a client could not take them, and each says where reading goes on behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gosynq.v1.event_service_pb2 import ListEventsResponse, WatchEventsResponse
from gosynq_server.domain.cursors import decode_cursor, encode_cursor
from gosynq_server.domain.event import EventFilter, EventRow, Match, Position
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.watching import Delivery, EventPage
from gosynq_server.rpc.convert_jobs import job_message
from gosynq_server.rpc.encoded_events import EncodedEvents
from gosynq_server.rpc.watch_responses import PART_BYTES, WatchResponses, page_message
from gosynq_server.service.watches import deliveries
from gosynq_server.store.events import Stretch
from tests.unit.rpc.factories import a_job, a_row

END = Position(tick=50, made_at=9)


def _responses(delivery: Delivery, *, with_content: bool = False) -> list[WatchEventsResponse]:
    responses = WatchResponses(EncodedEvents(), with_content=with_content)
    decoded = []
    for encoded in responses.of(delivery):
        decoded.append(WatchEventsResponse.FromString(encoded))
        assert decoded[-1].cursor == responses.cursor
        assert decoded[-1].HasField("server_time")
    return decoded


def _large(count: int, size: int, **changes: Any) -> EventRow:
    """Make a row whose events have messages of that many characters."""
    details = [orjson.dumps({"message": "x" * size}).decode()] * count
    return a_row(count, type=EventType.CANCELLED, details=details, **changes)


def _event_ids(responses: Sequence[WatchEventsResponse]) -> list[str]:
    return [event.event_id for response in responses for event in response.events]


def test_a_delivery_of_nothing_is_a_bookmark() -> None:
    (response,) = _responses(Delivery(position=END))

    response.ClearField("server_time")
    assert response == WatchEventsResponse(cursor=encode_cursor(END))


def test_a_small_delivery_is_one_response_at_its_position() -> None:
    matches = [Match(a_row(3), [0, 2]), Match(a_row(id=9), [0])]

    (response,) = _responses(Delivery(position=END, matches=matches))

    assert response.cursor == encode_cursor(END)
    assert _event_ids([response]) == ["8-0", "8-2", "9-0"]


def test_a_large_delivery_is_cut_behind_events_and_holds_each_once() -> None:
    rows = [_large(7, 200_000), _large(5, 300_000, id=9)]
    matches = [Match(rows[0], [0, 1, 2, 3, 5, 6]), Match(rows[1], range(5))]

    responses = _responses(Delivery(position=END, matches=matches))

    assert _event_ids(responses) == [f"8-{place}" for place in (0, 1, 2, 3, 5, 6)] + [f"9-{n}" for n in range(5)]
    assert all(response.ByteSize() <= PART_BYTES + 200 for response in responses)
    assert len(responses) == 3
    for response in responses[:-1]:
        row, place = map(int, response.events[-1].event_id.split("-"))
        assert decode_cursor(response.cursor) == rows[row - 8].behind(place)
    assert responses[-1].cursor == encode_cursor(END)


def test_an_event_larger_than_a_response_should_be_is_sent_by_itself() -> None:
    matches = [Match(a_row(), [0]), Match(_large(2, PART_BYTES, id=9), [0, 1]), Match(a_row(id=10), [0])]

    responses = _responses(Delivery(position=END, matches=matches))

    assert [_event_ids([response]) for response in responses] == [["8-0"], ["9-0"], ["9-1"], ["10-0"]]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 400_000), min_size=1, max_size=6), max_size=5),
    st.integers(1, 4),
    st.sets(st.integers(0, 5)),
)
def test_from_the_cursor_of_any_response_the_rest_follows_exactly(
    sizes: list[list[int]], batch: int, unwanted: set[int]
) -> None:
    rows = [
        a_row(
            len(lengths),
            id=number,
            base=Position(tick=number // 2, made_at=9),
            type=EventType.CANCELLED,
            kinds=["other" if place in unwanted else "k" for place in range(len(lengths))],
            details=[orjson.dumps({"message": "x" * length}).decode() for length in lengths],
        )
        for number, lengths in enumerate(sizes, start=1)
    ]

    def given_from(position: Position) -> list[tuple[str, list[str]]]:
        left = [row for row in rows if (row.base.tick, row.id) >= (position.tick, position.row)]
        parts = deliveries(Stretch(rows=left, end=END), position, EventFilter(kinds=frozenset({"k"})), batch=batch)
        return [(one.cursor, _event_ids([one])) for part in parts for one in _responses(part)]

    told = given_from(Position(0, made_at=9))

    ids = [event for _, events in told for event in events]
    assert ids == [f"{row.id}-{place}" for row in rows for place, kind in enumerate(row.kinds) if kind == "k"]
    for number, (cursor, events) in enumerate(told):
        assert len(events) <= batch
        rest = [event for _, later in given_from(decode_cursor(cursor)) for event in later]
        assert rest == [event for _, later in told[number + 1 :] for event in later]


def test_a_snapshot_has_no_cursor_until_it_is_complete() -> None:
    jobs = [a_job(id=f"0195e7a4-5a5a-7000-8000-00000000000{number}") for number in range(3)]

    (first,) = _responses(Delivery(position=None, snapshot=jobs))
    (last,) = _responses(Delivery(position=END, snapshot_complete=True))

    assert (first.cursor, first.snapshot_complete) == ("", False)
    assert list(first.snapshot_jobs) == [job_message(job, full=False) for job in jobs]
    assert (last.cursor, last.snapshot_complete, len(last.snapshot_jobs)) == (encode_cursor(END), True, 0)


@pytest.mark.parametrize("with_content", [False, True])
def test_a_large_snapshot_is_cut_between_jobs_and_told_as_it_was_asked_for(with_content: bool) -> None:
    jobs = [a_job(payload=bytes(400_000), content_type="a/b") for _ in range(5)]

    responses = _responses(Delivery(position=None, snapshot=jobs), with_content=with_content)

    assert [len(response.snapshot_jobs) for response in responses] == ([2, 2, 1] if with_content else [5])
    assert {response.cursor for response in responses} == {""}
    assert responses[0].snapshot_jobs[0] == job_message(jobs[0], full=with_content)


def test_contents_count_where_a_response_is_cut() -> None:
    row = a_row(3)
    contents = {job: a_job(id=job, payload=b'{"a":"%b"}' % (b"x" * 600_000)) for job in row.job_ids}

    responses = _responses(Delivery(position=END, matches=[Match(row, range(3))], contents=contents), with_content=True)

    assert [_event_ids([response]) for response in responses] == [["8-0"], ["8-1"], ["8-2"]]
    assert all(response.events[0].payload["a"] == "x" * 600_000 for response in responses)


@pytest.mark.parametrize("with_content", [False, True])
def test_a_page_holds_its_events_and_where_both_ways_go_on(with_content: bool) -> None:
    row = a_row(3)
    page = EventPage(matches=[Match(row, [0, 2])], contents={row.job_ids[2]: a_job()}, end=END, next_page_token="next")

    message = page_message(page, with_content=with_content)

    assert [event.event_id for event in message.events] == ["8-0", "8-2"]
    assert [event.HasField("payload") for event in message.events] == [False, with_content]
    message.ClearField("events")
    assert message == ListEventsResponse(next_page_token="next", cursor=encode_cursor(END))
