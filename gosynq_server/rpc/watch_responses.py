"""Responses of a watch, none of them larger than a client takes, and pages of a list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gosynq.v1 import event_pb2, event_service_pb2
from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.rpc.convert import timestamp
from gosynq_server.rpc.convert_jobs import job_message
from gosynq_server.rpc.encoded_events import encode, encode_with_content, in_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gosynq_server.domain.event import EventRow, Match, Position
    from gosynq_server.domain.watching import Delivery, EventPage
    from gosynq_server.rpc.encoded_events import EncodedEvents

PART_BYTES = 1024 * 1024
"""Where a response is cut; a client takes 4 MiB by default, and one piece has its payload's 3 MiB at most."""


class WatchResponses:
    """Makes the responses of one watch. cursor is that of the last response that was made."""

    def __init__(self, encoded: EncodedEvents, *, with_content: bool) -> None:
        self._encoded = encoded
        self._with_content = with_content
        self.cursor = ""

    def of(self, delivery: Delivery) -> Iterator[bytes]:
        """Give what a delivery says in encoded responses; the last stands at its position."""
        pieces: list[bytes] = []
        size = 0
        reached: tuple[EventRow, int] | None = None
        for piece, place in self._pieces(delivery):
            if pieces and size + len(piece) > PART_BYTES:
                yield self._response(_behind(reached), pieces)
                pieces, size = [], 0
            pieces.append(piece)
            size += len(piece)
            reached = place
        yield self._response(delivery.position, pieces, snapshot_complete=delivery.snapshot_complete)

    def _pieces(self, delivery: Delivery) -> Iterator[tuple[bytes, tuple[EventRow, int] | None]]:
        """Give each piece with its event's row and place: a position is made where it is needed, which is seldom."""
        for job in delivery.snapshot:
            message = job_message(job, full=self._with_content)
            yield event_service_pb2.WatchEventsResponse(snapshot_jobs=[message]).SerializeToString(), None
        for match in delivery.matches:
            for place, event in zip(match.places, self._events_of(match, delivery), strict=True):
                yield event, (match.row, place)

    def _events_of(self, match: Match, delivery: Delivery) -> list[bytes]:
        if not self._with_content:
            return self._encoded.of(match.row, match.places)
        return list(map(in_response, encode_with_content(match.row, match.places, delivery.contents)))

    def _response(self, position: Position | None, pieces: list[bytes], *, snapshot_complete: bool = False) -> bytes:
        self.cursor = "" if position is None else encode_cursor(position)
        frame = event_service_pb2.WatchEventsResponse(
            cursor=self.cursor, snapshot_complete=snapshot_complete, server_time=timestamp(datetime.now(UTC))
        )
        return frame.SerializeToString() + b"".join(pieces)


def _behind(reached: tuple[EventRow, int] | None) -> Position | None:
    if reached is None:
        return None
    row, place = reached
    return row.behind(place)


def page_message(page: EventPage, *, with_content: bool) -> event_service_pb2.ListEventsResponse:
    """Return a page of events."""
    response = event_service_pb2.ListEventsResponse(
        next_page_token=page.next_page_token, cursor=encode_cursor(page.end)
    )
    for row, places in page.matches:
        events = encode_with_content(row, places, page.contents) if with_content else encode(row, places)
        response.events.extend(map(event_pb2.JobEvent.FromString, events))
    return response
