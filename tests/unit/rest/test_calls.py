from datetime import timedelta

import pytest
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from starlette.datastructures import Headers

from gosynq.v1 import job_service_pb2, worker_service_pb2
from gosynq_server.rest.calls import call_metadata, call_timeout, request_id, stream_timeout
from gosynq_server.rest.refusals import FieldInvalid


def test_a_request_id_that_fits_in_a_log_is_kept() -> None:
    assert request_id(Headers({"x-request-id": "abc-1"})) == "abc-1"


@pytest.mark.parametrize("given", ["", "a b", "é", "x" * 129])
def test_another_request_id_is_replaced(given: str) -> None:
    made = request_id(Headers({"x-request-id": given}))

    assert made != given
    assert len(made) == 32


def test_the_named_headers_are_passed_on_and_no_others() -> None:
    headers = Headers(
        raw=[
            (b"authorization", b"Bearer x"),
            (b"cookie", b"secret"),
            (b"traceparent", b"00-1"),
            (b"baggage", b"a=1"),
            (b"baggage", b"b=2"),
        ]
    )

    assert call_metadata(headers, "r-1") == [
        ("x-request-id", "r-1"),
        ("authorization", "Bearer x"),
        ("traceparent", "00-1"),
        ("baggage", "a=1"),
        ("baggage", "b=2"),
    ]


def test_a_header_that_metadata_cannot_hold_is_refused() -> None:
    with pytest.raises(FieldInvalid, match="authorization: has a character that is not printable ASCII"):
        call_metadata(Headers({"authorization": "Bearer é"}), "r-1")


def seconds(number: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(timedelta(seconds=number))
    return duration


@pytest.mark.parametrize(
    ("headers", "request_", "expected"),
    [
        ({}, job_service_pb2.GetJobRequest(), 30),
        ({"x-request-timeout": "1.5"}, job_service_pb2.GetJobRequest(), 1.5),
        ({}, job_service_pb2.WaitJobRequest(), 32),
        ({}, job_service_pb2.WaitJobRequest(timeout=seconds(5)), 7),
        ({"x-request-timeout": "3"}, job_service_pb2.WaitJobRequest(timeout=seconds(5)), 3),
        ({}, worker_service_pb2.LeaseJobsRequest(), 32),
        ({}, worker_service_pb2.LeaseJobsRequest(wait=seconds(60)), 62),
    ],
)
def test_a_call_may_take_as_long_as_is_said_or_a_little_longer_than_it_waits(
    headers: dict[str, str], request_: Message, expected: float
) -> None:
    assert call_timeout(Headers(headers), request_) == timedelta(seconds=expected)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf", "3601", "1e9"])
def test_another_timeout_is_refused(text: str) -> None:
    with pytest.raises(FieldInvalid, match="X-Request-Timeout: must be a number of seconds above 0 and up to 3600"):
        call_timeout(Headers({"x-request-timeout": text}), job_service_pb2.GetJobRequest())


def test_a_stream_lasts_until_it_ends_unless_the_caller_says_otherwise() -> None:
    assert stream_timeout(Headers({})) is None
    assert stream_timeout(Headers({"x-request-timeout": "1.5"})) == 1.5
    with pytest.raises(FieldInvalid, match="X-Request-Timeout: must be a number"):
        stream_timeout(Headers({"x-request-timeout": "0"}))
