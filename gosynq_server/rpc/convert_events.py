"""What callers ask of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import event_pb2, event_service_pb2
from gosynq_server.domain.event import EventFilter
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.watching import USUAL_BATCH, USUAL_HEARTBEAT, EventQuery, WatchQuery
from gosynq_server.rpc.convert import PRIORITIES, length_of, moment_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from gosynq_server.domain.job import Priority

    Request = event_service_pb2.WatchEventsRequest | event_service_pb2.ListEventsRequest

TYPE_NUMBERS = {type_: event_pb2.EventType.Value(f"EVENT_TYPE_{type_.name}") for type_ in EventType}
_TYPES = {number: type_ for type_, number in TYPE_NUMBERS.items()}
_DEFAULT_PAGE_SIZE, _LARGEST_PAGE_SIZE = 100, 1000


def watch_query_of(request: event_service_pb2.WatchEventsRequest) -> WatchQuery:
    """Return what a caller asks of a watch."""
    start = request.WhichOneof("start")
    heartbeat = length_of(request.heartbeat_interval, "heartbeat_interval")
    start_at = moment_of(request.start_at, "start_at") if start == "start_at" else None
    return WatchQuery(
        wanted=_filter_of(request, not_before=start_at),
        cursor=text_of(request.cursor, "cursor"),
        start_at=start_at,
        from_oldest=request.from_oldest,
        snapshot=request.snapshot,
        with_content=request.include_payload,
        heartbeat=heartbeat or USUAL_HEARTBEAT,
        batch=request.max_batch_size or USUAL_BATCH,
        stop_when_terminal=request.stop_when_terminal,
    )


def event_query_of(request: event_service_pb2.ListEventsRequest) -> EventQuery:
    """Return what a caller asks of the list."""
    return EventQuery(
        wanted=_filter_of(
            request,
            not_before=moment_of(request.start_at, "start_at") if request.HasField("start_at") else None,
            before=moment_of(request.end_at, "end_at") if request.HasField("end_at") else None,
        ),
        page_size=min(request.page_size or _DEFAULT_PAGE_SIZE, _LARGEST_PAGE_SIZE),
        page_token=text_of(request.page_token, "page_token"),
        with_content=request.include_payload,
    )


def _filter_of(request: Request, *, not_before: datetime | None = None, before: datetime | None = None) -> EventFilter:
    labels = (text_of(label, f"labels[{index}]").split("=", 1) for index, label in enumerate(request.labels))
    return EventFilter(
        queues=frozenset(request.queues),
        types=frozenset(_TYPES[number] for number in request.types),
        job_ids=frozenset(map(parse_job_id, request.job_ids)),
        kinds=frozenset(request.kinds),
        priorities=_levels_of(request.priorities),
        labels=frozenset((key, value) for key, value in labels),
        not_before=not_before,
        before=before,
    )


def _levels_of(numbers: Iterable[int]) -> frozenset[Priority]:
    levels = (PRIORITIES[number] for number in numbers)
    return frozenset(level for level in levels if level is not None)
