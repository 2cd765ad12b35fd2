"""An event is put together from encoded parts, and reads as one that was built field by field."""

from __future__ import annotations

import gc
from typing import Any

import orjson
import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gosynq.v1 import event_pb2, job_pb2
from gosynq.v1.event_service_pb2 import WatchEventsResponse
from gosynq_server.domain.event import EventRow
from gosynq_server.domain.job import Job, JobId, JobStatus, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.rpc.encoded_events import EncodedEvents, encode, encode_with_content, in_response
from tests.unit.rpc.factories import NOON, a_job, a_row

NOON_STAMP = Timestamp(seconds=1_772_366_400, nanos=250_000_000)
LATER = Timestamp(seconds=1_772_366_405, nanos=123_456_000)
LATER_TEXT = "2026-03-01T12:00:05.123456+00:00"
ID = "0195e7a4-5a5a-7000-8000-000000000000"


def _decoded(row: EventRow, place: int = 0) -> event_pb2.JobEvent:
    (encoded,) = encode(row, [place])
    return event_pb2.JobEvent.FromString(encoded)


def _expected(**fields: Any) -> event_pb2.JobEvent:
    values: dict[str, Any] = {
        "event_id": "8-0",
        "job_id": ID,
        "queue": "mail",
        "timestamp": NOON_STAMP,
        "kind": "send_email",
        "priority": job_pb2.JOB_PRIORITY_HIGH,
        "revision": 1,
    }
    return event_pb2.JobEvent(**values | fields)


DETAILS: list[tuple[EventType, JobStatus, dict[str, Any] | None, dict[str, Any]]] = [
    (EventType.CREATED, JobStatus.PENDING, None, {}),
    (EventType.STARTED, JobStatus.PROCESSING, None, {}),
    (EventType.SUCCEEDED, JobStatus.COMPLETED, None, {}),
    (
        EventType.FAILED,
        JobStatus.PENDING,
        {"type": "Boom", "message": "no luck", "non_retryable": False, "next_run_at": LATER_TEXT},
        {"error": "no luck", "error_type": "Boom", "will_retry": True, "next_run_at": LATER},
    ),
    (
        EventType.FAILED,
        JobStatus.FAILED,
        {"type": "Boom", "message": "ü\0"},
        {"error": "ü\0", "error_type": "Boom"},
    ),
    (EventType.FAILED, JobStatus.FAILED, {"type": "", "message": ""}, {}),
    (
        EventType.DEAD_LETTERED,
        JobStatus.FAILED,
        {"type": "Boom", "message": "no luck"},
        {"error": "no luck", "error_type": "Boom"},
    ),
    (EventType.CANCELLED, JobStatus.CANCELLED, {"message": "late"}, {"error": "late"}),
    (EventType.CANCELLED, JobStatus.CANCELLED, {"message": ""}, {}),
    (EventType.CANCEL_REQUESTED, JobStatus.PROCESSING, {"message": "late"}, {"error": "late"}),
    (EventType.REQUEUED, JobStatus.PENDING, {"next_run_at": LATER_TEXT}, {"next_run_at": LATER}),
    (EventType.REQUEUED, JobStatus.PENDING, None, {}),
    (EventType.DELETED, JobStatus.COMPLETED, None, {}),
]


@pytest.mark.parametrize(("type_", "status", "details", "fields"), DETAILS)
def test_an_event_of_every_type_tells_its_details(
    type_: EventType, status: JobStatus, details: dict[str, Any] | None, fields: dict[str, Any]
) -> None:
    written = None if details is None else orjson.dumps(details).decode()

    event = _decoded(a_row(type=type_, status=status, details=[written]))

    assert event == _expected(
        type=event_pb2.EventType.Value(f"EVENT_TYPE_{type_.name}"),
        status=job_pb2.JobStatus.Value(f"JOB_STATUS_{status.name}"),
        **fields,
    )


def test_a_report_of_progress_tells_how_far_and_since_when() -> None:
    told = '{"current": 3, "total": 9, "message": "ü", "updated_at": "2026-03-01T12:00:00.25+00:00"}'
    row = a_row(id=1_772_366_400_250_000, type=EventType.PROGRESS, status=JobStatus.PROCESSING, details=[told])

    assert _decoded(row) == _expected(
        event_id=f"{ID}-1772366400250000",
        type=event_pb2.EVENT_TYPE_PROGRESS,
        status=job_pb2.JOB_STATUS_PROCESSING,
        progress=job_pb2.JobProgress(current=3, total=9, message="ü", updated_at=NOON_STAMP),
    )


def test_every_type_of_event_is_among_the_cases() -> None:
    assert {type_ for type_, *_ in DETAILS} | {EventType.PROGRESS} == set(EventType)


@given(st.data())
def test_each_event_of_a_row_tells_what_is_its_own_and_what_all_share(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 4))

    def each(values: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(values, min_size=count, max_size=count))

    text = st.text(st.characters(codec="utf-8"), max_size=200)
    ids, kinds, levels = each(st.uuids().map(str)), each(text), each(st.sampled_from(Priority))
    attempts, revisions = each(st.integers(0, 2**31 - 1)), each(st.integers(0, 2**31 - 1))
    labels = each(st.none() | st.dictionaries(text, text, max_size=3))
    worker = data.draw(st.none() | text)
    row = a_row(
        worker_id=worker,
        job_ids=list(map(JobId, ids)),
        kinds=kinds,
        priorities=list(map(int, levels)),
        attempts=attempts,
        revisions=revisions,
        labels=[None if label is None else orjson.dumps(label).decode() for label in labels],
    )

    decoded = [event_pb2.JobEvent.FromString(event) for event in encode(row, range(count))]

    assert decoded == [
        _expected(
            event_id=f"8-{place}",
            job_id=ids[place],
            kind=kinds[place],
            priority=job_pb2.JobPriority.Value(f"JOB_PRIORITY_{levels[place].name}"),
            attempt=attempts[place],
            revision=revisions[place],
            labels=labels[place],
            worker_id=worker,
            type=event_pb2.EVENT_TYPE_CREATED,
            status=job_pb2.JOB_STATUS_PENDING,
        )
        for place in range(count)
    ]


def _struct(**fields: Any) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct


ENDED = a_job(result=b'{"done":true}', result_content_type="application/json")


@pytest.mark.parametrize(
    ("type_", "job", "payload"),
    [
        (EventType.CREATED, ENDED, _struct(n=1)),
        (EventType.FAILED, ENDED, _struct(n=1)),
        (EventType.SUCCEEDED, ENDED, _struct(done=True)),
        (EventType.SUCCEEDED, a_job(), None),
        (EventType.SUCCEEDED, a_job(result=b"[1]", result_content_type="application/json"), None),
        (EventType.SUCCEEDED, a_job(result=b"{}", result_content_type="text/plain"), None),
        (EventType.SUCCEEDED, a_job(result=b"{}", result_content_type="application/json"), Struct()),
        (EventType.CREATED, a_job(payload=b"{}"), Struct()),
        (EventType.CREATED, a_job(payload=b"1"), None),
        (EventType.CREATED, a_job(payload=b"\xff", content_type="image/png"), None),
        (EventType.CREATED, a_job(payload=None), None),
        (EventType.CREATED, None, None),
    ],
)
def test_an_event_holds_the_object_that_its_job_has_as_payload_or_result(
    type_: EventType, job: Job | None, payload: Struct | None
) -> None:
    row = a_row(2, type=type_)
    contents = {} if job is None else {row.job_ids[1]: job}

    first, second = map(event_pb2.JobEvent.FromString, encode_with_content(row, [0, 1], contents))

    assert not first.HasField("payload")
    assert (second.payload if second.HasField("payload") else None) == payload
    second.ClearField("payload")
    assert second == _decoded(row, 1)


def test_what_is_encoded_is_remembered_with_its_row() -> None:
    encoded, row, twin = EncodedEvents(), a_row(3), a_row(3, queue="other")

    first = encoded.of(row, [1])
    again = encoded.of(row, [0, 1, 2])

    assert again[1] is first[0]
    assert encoded.of(row, [2, 0])[0] is again[2]
    assert again == [in_response(event) for event in encode(row, range(3))]
    assert encoded.of(twin, [1]) != first
    assert encoded.of(row, []) == []


def test_nothing_is_remembered_of_a_row_that_is_gone() -> None:
    encoded, row = EncodedEvents(), a_row(3)
    encoded.of(row, [0])

    del row
    gc.collect()

    assert len(encoded._known) == 0  # noqa: SLF001 - memory is not seen from outside


@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152])
def test_an_event_of_any_length_is_framed_as_part_of_a_response(length: int) -> None:
    event = event_pb2.JobEvent(error="x" * length)

    response = WatchEventsResponse.FromString(in_response(event.SerializeToString()))

    assert response == WatchEventsResponse(events=[event])


def test_the_moment_of_an_event_keeps_its_microseconds() -> None:
    moment = NOON.replace(microsecond=999_999)

    assert _decoded(a_row(occurred_at=moment)).timestamp == Timestamp(seconds=1_772_366_400, nanos=999_999_000)
