import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata

from gosynq_server.rest.errors import DETAILS_TRAILER, HTTP_STATUS, call_failure, internal_failure, refusal_failure
from gosynq_server.rest.refusals import BodyTooLarge, FieldInvalid, MethodNotAllowed, PathUnknown, RequestRefused


def packed(message: Message) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


def error_of(code: grpc.StatusCode, message: str | None, *details: Message) -> AioRpcError:
    status = status_pb2.Status(code=code.value[0], message=message or "", details=map(packed, details))
    trailers = Metadata(("other", "x"), (DETAILS_TRAILER, status.SerializeToString()))
    return AioRpcError(code, Metadata(), trailers, details=message)


def test_the_table_has_every_code_and_the_documented_statuses() -> None:
    documented = {
        "OK": 200, "CANCELLED": 499, "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400,
        "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409,
        "RESOURCE_EXHAUSTED": 429, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
        "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500,
    }  # fmt: skip

    assert {code.name: status for code, status in HTTP_STATUS.items()} == documented
    assert {code.name for code in grpc.StatusCode} == set(documented)
    assert {code.name: code.value[0] for code in HTTP_STATUS} == dict(code_pb2.Code.items())


def test_an_error_of_the_server_keeps_its_message_and_details() -> None:
    info = error_details_pb2.ErrorInfo(reason="JOB_NOT_FOUND", domain="gosynq", metadata={"job_id": "0190"})

    failure = call_failure(error_of(grpc.StatusCode.NOT_FOUND, "job 0190 not found", info))

    assert failure.http_status == 404
    assert failure.headers == {}
    assert failure.body() == {
        "error": "job 0190 not found",
        "code": 5,
        "status": "NOT_FOUND",
        "message": "job 0190 not found",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "JOB_NOT_FOUND",
                "domain": "gosynq",
                "metadata": {"job_id": "0190"},
            }
        ],
    }


@pytest.mark.parametrize(("nanos", "header"), [(0, "2"), (1, "3")])
def test_retry_info_becomes_a_header_of_whole_seconds(nanos: int, header: str) -> None:
    info = error_details_pb2.ErrorInfo(reason="RATE_LIMITED", domain="gosynq")
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=nanos * 1_000_000))

    failure = call_failure(error_of(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down", info, retry))

    assert (failure.http_status, failure.headers) == (429, {"retry-after": header})


def test_field_paths_are_those_of_the_callers_body() -> None:
    info = error_details_pb2.ErrorInfo(reason="VALIDATION_FAILED", domain="gosynq")
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field="job.queue", description="is empty"),
        error_details_pb2.BadRequest.FieldViolation(field="validate_only", description="no"),
    ]
    bad_request = error_details_pb2.BadRequest(field_violations=violations)
    error = error_of(grpc.StatusCode.INVALID_ARGUMENT, "job.queue: is empty (and 1 more)", info, bad_request)

    failure = call_failure(error, body="job")

    assert failure.message == "queue: is empty (and 1 more)"
    assert [violation["field"] for violation in failure.body()["details"][1]["field_violations"]] == [
        "queue",
        "validate_only",
    ]
    assert call_failure(error).message == "job.queue: is empty (and 1 more)"


def test_a_message_that_names_no_field_stays_as_it_is() -> None:
    info = error_details_pb2.ErrorInfo(reason="QUEUE_DRAINING", domain="gosynq")

    failure = call_failure(error_of(grpc.StatusCode.FAILED_PRECONDITION, "job.queue: drains", info), body="job")

    assert failure.message == "job.queue: drains"


def test_an_error_of_the_library_has_no_details() -> None:
    error = AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, Metadata(), None, details="Deadline Exceeded")

    failure = call_failure(error)

    assert (failure.http_status, failure.message, failure.details) == (504, "Deadline Exceeded", ())


def test_an_error_without_a_message_is_named_by_its_code() -> None:
    error = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), details=None)

    assert call_failure(error).message == "unavailable"


def test_spoilt_details_leave_the_code_and_the_message() -> None:
    trailers = Metadata((DETAILS_TRAILER, b"\xff"))
    error = AioRpcError(grpc.StatusCode.NOT_FOUND, Metadata(), trailers, details="gone")

    failure = call_failure(error)

    assert (failure.http_status, failure.message, failure.details) == (404, "gone", ())


def test_a_refused_field_is_told_as_the_server_would_tell_it() -> None:
    failure = refusal_failure(FieldInvalid("x", "must be a string").under("[0]").under("jobs"))

    assert failure.http_status == 400
    assert failure.body() == {
        "error": "jobs[0].x: must be a string",
        "code": 3,
        "status": "INVALID_ARGUMENT",
        "message": "jobs[0].x: must be a string",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "VALIDATION_FAILED",
                "domain": "gosynq",
                "metadata": {},
            },
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "field_violations": [
                    {"field": "jobs[0].x", "description": "must be a string", "reason": ""},
                ],
            },
        ],
    }


def test_a_refused_number_names_its_field_in_the_metadata() -> None:
    failure = refusal_failure(FieldInvalid("payload.id", "is too big", reason="NUMBER_PRECISION"))

    info = failure.body()["details"][0]
    assert (info["reason"], info["metadata"]) == ("NUMBER_PRECISION", {"field": "payload.id"})


@pytest.mark.parametrize(
    ("refused", "http_status", "status", "message"),
    [
        (PathUnknown("/x\ud800"), 404, "NOT_FOUND", "no such path: /x?"),
        (
            MethodNotAllowed("PUT", {"POST", "GET"}),
            405,
            "UNIMPLEMENTED",
            "PUT is not possible here; possible: GET, POST",
        ),
        (BodyTooLarge(10), 413, "RESOURCE_EXHAUSTED", "the request is larger than 10 bytes"),
    ],
)
def test_the_edges_own_refusals_have_their_own_statuses(
    refused: RequestRefused, http_status: int, status: str, message: str
) -> None:
    failure = refusal_failure(refused)

    assert (failure.http_status, failure.code.name, failure.message) == (http_status, status, message)
    assert failure.details == ()


def test_a_fault_of_the_edge_says_only_where_to_look() -> None:
    failure = internal_failure("r-1")

    assert failure.http_status == 500
    assert failure.body()["details"][0]["metadata"] == {"request_id": "r-1"}
