"""Events as callers get them, each encoded once for everybody.

What two encoded messages hold, one behind the other, is one message that holds both (protobuf's encoding): so what the
events of a row share is encoded once, and a response is put together from what is encoded already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import orjson

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2
from gosynq_server.domain.event import EventRow
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.rpc.convert import PRIORITY_NUMBERS, STATUS_NUMBERS, timestamp
from gosynq_server.rpc.convert_content import struct_of
from gosynq_server.rpc.convert_events import TYPE_NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf import struct_pb2

    from gosynq_server.domain.job import Job, JobId

_FAILURES = frozenset({EventType.FAILED, EventType.DEAD_LETTERED})
_LENGTH_DELIMITED = 2
_EVENTS_TAG = event_service_pb2.WatchEventsResponse.EVENTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED


class EncodedEvents:
    """Encodes an event when it is first asked for, and remembers it as long as its row is there."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[EventRow, list[bytes | None]] = WeakKeyDictionary()

    def of(self, row: EventRow, places: Sequence[int]) -> list[bytes]:
        """Return some events of a row, each as a response that holds nothing else."""
        known = self._known.get(row)
        if known is None:
            known = self._known[row] = [None] * len(row.job_ids)
        missing = [place for place in places if known[place] is None]
        for place, encoded in zip(missing, encode(row, missing), strict=True):
            known[place] = in_response(encoded)
        return [event for place in places if (event := known[place]) is not None]


def encode(row: EventRow, places: Sequence[int]) -> list[bytes]:
    """Return some events of a row, each as a JobEvent."""
    if not places:
        return []
    shared = event_pb2.JobEvent(
        type=TYPE_NUMBERS[row.type],
        queue=row.queue,
        timestamp=timestamp(row.occurred_at),
        status=STATUS_NUMBERS[row.status],
        worker_id=row.worker_id or "",
    ).SerializeToString()
    return [shared + _own_part(row, place).SerializeToString() for place in places]


def encode_with_content(row: EventRow, places: Sequence[int], contents: Mapping[JobId, Job]) -> list[bytes]:
    """Return some events of a row, each as a JobEvent with its payload where its job is among the contents."""
    jobs = (contents.get(row.job_ids[place]) for place in places)
    return [event + _content_part(row.type, job) for event, job in zip(encode(row, places), jobs, strict=True)]


def _own_part(row: EventRow, place: int) -> event_pb2.JobEvent:
    message = event_pb2.JobEvent(
        event_id=_event_id(row, place),
        job_id=row.job_ids[place],
        kind=row.kinds[place],
        priority=_PRIORITIES[row.priorities[place]],
        attempt=row.attempts[place],
        revision=row.revisions[place],
    )
    if row.labels and (labels := row.labels[place]):
        message.labels.update(orjson.loads(labels))
    if row.details and (details := row.details[place]):
        put = _put_progress if row.type is EventType.PROGRESS else _put_details
        put(message, row, orjson.loads(details))
    return message


def _event_id(row: EventRow, place: int) -> str:
    """Return the id of a stored event; that of a report of progress holds its job's id and moment."""
    return f"{row.job_ids[place]}-{row.id}" if row.type is EventType.PROGRESS else f"{row.id}-{place}"


_PRIORITIES = {int(level): number for level, number in PRIORITY_NUMBERS.items()}


def _put_progress(message: event_pb2.JobEvent, row: EventRow, told: dict[str, Any]) -> None:
    progress = job_pb2.JobProgress(
        current=told["current"],
        total=told["total"],
        message=told["message"],
        updated_at=timestamp(row.occurred_at),
    )
    message.progress.CopyFrom(progress)


def _put_details(message: event_pb2.JobEvent, row: EventRow, details: dict[str, Any]) -> None:
    message.error = details.get("message", "")
    if row.type in _FAILURES:
        message.error_type = details.get("type", "")
    if next_run_at := details.get("next_run_at"):
        message.next_run_at.FromJsonString(next_run_at)
        message.will_retry = row.type is EventType.FAILED


def _content_part(type_: EventType, job: Job | None) -> bytes:
    struct = None if job is None else _content_of(type_, job)
    return b"" if struct is None else event_pb2.JobEvent(payload=struct).SerializeToString()


def _content_of(type_: EventType, job: Job) -> struct_pb2.Struct | None:
    if type_ is EventType.SUCCEEDED:
        return None if job.result is None else struct_of(job.result, job.result_content_type)
    return None if job.payload is None else struct_of(job.payload, job.content_type)


def in_response(event: bytes) -> bytes:
    """Return an encoded event as a response that holds nothing else."""
    return _head(len(event)) + event


@lru_cache(maxsize=4096)
def _head(length: int) -> bytes:
    """Return the tag of the field and a length, which goes in groups of seven bits, the lowest first."""
    head = bytearray([_EVENTS_TAG])
    while length > 0x7F:  # noqa: PLR2004
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head)
