"""Watches and lists of events are asked as they were meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import event_pb2, job_pb2
from gosynq.v1.event_service_pb2 import ListEventsRequest, WatchEventsRequest
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.event import EventFilter
from gosynq_server.domain.job import JobId, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.watching import EventQuery, WatchQuery
from gosynq_server.rpc.convert_events import TYPE_NUMBERS, event_query_of, watch_query_of

ID = "0195e7a4-5a5a-7000-8000-000000000001"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
STAMP, LATER_STAMP = Timestamp(seconds=1_772_366_400), Timestamp(seconds=1_772_366_401)

ASKED: dict[str, Any] = {
    "queues": ["mail", "q", "mail"],
    "types": [event_pb2.EVENT_TYPE_FAILED, event_pb2.EVENT_TYPE_PROGRESS],
    "job_ids": [ID.upper(), ID],
    "kinds": ["send"],
    "labels": ["a=b", "c=", "d==e=f"],
    "priorities": [job_pb2.JOB_PRIORITY_LOW, job_pb2.JOB_PRIORITY_CRITICAL],
}
WANTED: dict[str, Any] = {
    "queues": frozenset({"mail", "q"}),
    "types": frozenset({EventType.FAILED, EventType.PROGRESS}),
    "job_ids": frozenset({JobId(ID)}),
    "kinds": frozenset({"send"}),
    "labels": frozenset({("a", "b"), ("c", ""), ("d", "=e=f")}),
    "priorities": frozenset({Priority.LOW, Priority.CRITICAL}),
}


def test_a_watch_of_nothing_in_particular_is_of_everything_from_now_on() -> None:
    assert watch_query_of(WatchEventsRequest()) == WatchQuery(heartbeat=timedelta(seconds=15), batch=100)


def test_a_watch_is_asked_with_every_condition() -> None:
    request = WatchEventsRequest(
        **ASKED,
        cursor="c",
        snapshot=True,
        include_payload=True,
        heartbeat_interval=Duration(seconds=2, nanos=500_000_000),
        max_batch_size=7,
        stop_when_terminal=True,
    )

    assert watch_query_of(request) == WatchQuery(
        wanted=EventFilter(**WANTED),
        cursor="c",
        snapshot=True,
        with_content=True,
        heartbeat=timedelta(seconds=2.5),
        batch=7,
        stop_when_terminal=True,
    )


def test_a_watch_from_a_moment_wants_nothing_that_happened_before_it() -> None:
    query = watch_query_of(WatchEventsRequest(start_at=STAMP))

    assert query == WatchQuery(wanted=EventFilter(not_before=MOMENT), start_at=MOMENT)


@pytest.mark.parametrize("from_oldest", [True, False])
def test_a_watch_may_begin_with_the_oldest(from_oldest: bool) -> None:
    assert watch_query_of(WatchEventsRequest(from_oldest=from_oldest)) == WatchQuery(from_oldest=from_oldest)


def test_a_list_of_nothing_in_particular_is_of_everything() -> None:
    assert event_query_of(ListEventsRequest()) == EventQuery(page_size=100)


def test_a_list_is_asked_with_every_condition() -> None:
    request = ListEventsRequest(
        **ASKED, start_at=STAMP, end_at=LATER_STAMP, include_payload=True, page_size=7, page_token="t"
    )

    assert event_query_of(request) == EventQuery(
        wanted=EventFilter(**WANTED, not_before=MOMENT, before=MOMENT + timedelta(seconds=1)),
        page_size=7,
        page_token="t",
        with_content=True,
    )


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_a_page_has_the_usual_size_or_the_one_asked_for_up_to_the_most(asked: int, size: int) -> None:
    assert event_query_of(ListEventsRequest(page_size=asked)).page_size == size


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (WatchEventsRequest(cursor="\0"), "cursor"),
        (WatchEventsRequest(labels=["a=b", "a=\0"]), "labels[1]"),
        (WatchEventsRequest(start_at=Timestamp(seconds=2**62)), "start_at"),
        (WatchEventsRequest(heartbeat_interval=Duration(seconds=1, nanos=-1)), "heartbeat_interval"),
        (ListEventsRequest(page_token="\0"), "page_token"),
        (ListEventsRequest(labels=["\0=b"]), "labels[0]"),
        (ListEventsRequest(start_at=Timestamp(nanos=-1)), "start_at"),
        (ListEventsRequest(end_at=Timestamp(seconds=-(2**62))), "end_at"),
    ],
)
def test_what_the_rules_of_the_contract_let_through_is_refused_by_its_field(request_: Any, field: str) -> None:
    of = watch_query_of if isinstance(request_, WatchEventsRequest) else event_query_of
    with pytest.raises(ValidationFailed) as refusal:
        of(request_)

    assert [violation.field for violation in refusal.value.violations] == [field]


def test_every_type_of_the_contract_but_unspecified_is_one_of_ours() -> None:
    assert set(TYPE_NUMBERS.values()) == set(event_pb2.EventType.values()) - {0}
