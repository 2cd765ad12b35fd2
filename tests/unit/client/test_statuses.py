from __future__ import annotations

import pickle
from datetime import timedelta

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gosynq_client import DatabaseUnavailable, DeadlineExceeded, FieldViolation, GosynqError, JobNotFound, Unavailable
from gosynq_client.statuses import error_of_call, error_of_status

DETAILS = "grpc-status-details-bin"


def status(code: grpc.StatusCode, *details: Message) -> status_pb2.Status:
    message = status_pb2.Status(code=code.value[0], message="told so")
    for detail in details:
        message.details.add().Pack(detail)
    return message


def failure(code: grpc.StatusCode, text: str | None, details: bytes | None = None) -> grpc.aio.AioRpcError:
    trailers = grpc.aio.Metadata() if details is None else grpc.aio.Metadata((DETAILS, details))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, text)


def reason(name: str, domain: str = "gosynq", **metadata: str) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(domain=domain, reason=name, metadata=metadata)


def test_a_reason_gives_its_class_with_the_facts() -> None:
    error = error_of_status(status(grpc.StatusCode.NOT_FOUND, reason("JOB_NOT_FOUND", job_id="1")))

    assert type(error) is JobNotFound
    assert (str(error), error.code, error.reason) == ("told so", "NOT_FOUND", "JOB_NOT_FOUND")
    assert (error.metadata, error.retry_after, error.violations) == ({"job_id": "1"}, None, ())


def test_an_unknown_reason_gives_the_root_with_code_and_reason() -> None:
    error = error_of_status(status(grpc.StatusCode.ABORTED, reason("NEW_ONE")))

    assert type(error) is GosynqError
    assert (error.code, error.reason) == ("ABORTED", "NEW_ONE")


def test_a_reason_of_another_domain_is_none_of_ours() -> None:
    error = error_of_status(status(grpc.StatusCode.NOT_FOUND, reason("JOB_NOT_FOUND", domain="proxy")))

    assert type(error) is GosynqError
    assert error.reason == ""


def test_an_unknown_reason_of_an_unavailable_server_is_unavailable() -> None:
    assert type(error_of_status(status(grpc.StatusCode.UNAVAILABLE, reason("NEW_ONE")))) is Unavailable


def test_a_database_that_is_away_is_one_way_of_being_unavailable() -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2))

    error = error_of_status(status(grpc.StatusCode.UNAVAILABLE, retry, reason("DATABASE_UNAVAILABLE")))

    assert type(error) is DatabaseUnavailable
    assert isinstance(error, Unavailable)
    assert error.retry_after == timedelta(seconds=2)


def test_a_retry_info_without_a_delay_says_nothing() -> None:
    assert error_of_status(status(grpc.StatusCode.UNAVAILABLE, error_details_pb2.RetryInfo())).retry_after is None


def test_broken_fields_come_in_order() -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="a", description="too long", reason="string.max_len")
    bad.field_violations.add(field="b", description="missing")

    error = error_of_status(status(grpc.StatusCode.INVALID_ARGUMENT, bad, reason("VALIDATION_FAILED")))

    assert error.violations == (
        FieldViolation(field="a", description="too long", reason="string.max_len"),
        FieldViolation(field="b", description="missing", reason=""),
    )


def test_a_detail_that_does_not_parse_is_as_none() -> None:
    broken = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")

    error = error_of_status(status_pb2.Status(code=5, message="told so", details=[broken]))

    assert (type(error), error.code, error.reason) == (GosynqError, "NOT_FOUND", "")


def test_a_code_of_another_age_is_unknown() -> None:
    error = error_of_status(status_pb2.Status(code=99))

    assert (str(error), error.code) == ("UNKNOWN", "UNKNOWN")


def test_the_status_in_the_trailers_says_what_a_call_failed_with() -> None:
    details = status(grpc.StatusCode.NOT_FOUND, reason("JOB_NOT_FOUND")).SerializeToString()

    assert type(error_of_call(failure(grpc.StatusCode.NOT_FOUND, "told so", details))) is JobNotFound


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, GosynqError),
        (grpc.StatusCode.UNIMPLEMENTED, GosynqError),
    ],
)
def test_a_call_without_details_fails_by_its_code(code: grpc.StatusCode, error_type: type[GosynqError]) -> None:
    error = error_of_call(failure(code, "lost"))

    assert (type(error), error.code, str(error)) == (error_type, code.name, "lost")


def test_a_call_without_a_message_is_told_by_its_code() -> None:
    assert str(error_of_call(failure(grpc.StatusCode.CANCELLED, None))) == "CANCELLED"


@pytest.mark.parametrize(
    "details", [b"\xff", status(grpc.StatusCode.NOT_FOUND, reason("JOB_NOT_FOUND")).SerializeToString()]
)
def test_details_that_are_broken_or_of_another_call_are_left_aside(details: bytes) -> None:
    error = error_of_call(failure(grpc.StatusCode.UNAVAILABLE, "told so", details))

    assert (type(error), error.reason) == (Unavailable, "")


def test_an_error_can_be_sent_to_another_process() -> None:
    error = error_of_status(status(grpc.StatusCode.NOT_FOUND, reason("JOB_NOT_FOUND", job_id="1")))

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - the test's own bytes

    assert type(copy) is JobNotFound
    assert (str(copy), copy.code, copy.metadata) == ("told so", "NOT_FOUND", {"job_id": "1"})
