"""What a REST caller is told when a call fails: one body, one table of HTTP statuses."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gosynq_server.rest.json_out import write_any
from gosynq_server.rest.refusals import DOMAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message

    from gosynq_server.rest.refusals import RequestRefused

DETAILS_TRAILER: Final = "grpc-status-details-bin"

HTTP_STATUS: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed call as it goes out. The HTTP status is that of the code's table unless the edge itself refused."""

    code: grpc.StatusCode
    message: str
    http_status: int
    details: tuple[any_pb2.Any, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON body: `error` for the original's clients, the rest as google.rpc.Status has it."""
        return {
            "error": self.message,
            "code": self.code.value[0],
            "status": self.code.name,
            "message": self.message,
            "details": [write_any(detail) for detail in self.details],
        }


def refusal_failure(refused: RequestRefused) -> Failure:
    """Return what the caller of a refused request is told."""
    return Failure(
        code=refused.code,
        message=str(refused),
        http_status=refused.http_status,
        details=_packed(refused.details()),
        headers=refused.headers(),
    )


def call_failure(error: grpc.aio.AioRpcError, *, body: str = "") -> Failure:
    """Return what the caller of a failed RPC is told.

    `body` names the request field that the HTTP body stood for: the server's field paths begin with it, the caller's
    do not.
    """
    message = error.details() or error.code().value[1]
    details = _status_details(error)
    if body:
        message, details = _seen_from_body(message, details, f"{body}.")
    return Failure(
        code=error.code(),
        message=message,
        http_status=HTTP_STATUS[error.code()],
        details=details,
        headers=_retry_after(details),
    )


def internal_failure(request_id: str) -> Failure:
    """Return what is told of a fault of the edge's own: where to find it in the log, and nothing of what it was."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"request_id": request_id})
    return Failure(
        code=grpc.StatusCode.INTERNAL,
        message=f"internal error, request {request_id}",
        http_status=500,
        details=_packed([info]),
    )


def _status_details(error: grpc.aio.AioRpcError) -> tuple[any_pb2.Any, ...]:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_TRAILER:
            return _parsed_details(value)
    return ()


def _parsed_details(trailer: Any) -> tuple[any_pb2.Any, ...]:
    try:
        return tuple(status_pb2.Status.FromString(trailer).details)
    except DecodeError:
        # Only a proxy on the way can have spoilt the trailer; the code and the message stand without it.
        return ()


def _seen_from_body(message: str, details: tuple[any_pb2.Any, ...], prefix: str) -> tuple[str, tuple[any_pb2.Any, ...]]:
    seen = []
    for detail in details:
        bad_request = error_details_pb2.BadRequest()
        if not detail.Unpack(bad_request):
            seen.append(detail)
            continue
        for violation in bad_request.field_violations:
            violation.field = violation.field.removeprefix(prefix)
        message = message.removeprefix(prefix)
        seen.extend(_packed([bad_request]))
    return message, tuple(seen)


def _retry_after(details: tuple[any_pb2.Any, ...]) -> Mapping[str, str]:
    info = error_details_pb2.RetryInfo()
    for detail in details:
        if detail.Unpack(info):
            return {"retry-after": str(math.ceil(info.retry_delay.ToTimedelta().total_seconds()))}
    return {}


def _packed(messages: Iterable[Message]) -> tuple[any_pb2.Any, ...]:
    packed = []
    for message in messages:
        detail = any_pb2.Any()
        detail.Pack(message)
        packed.append(detail)
    return tuple(packed)
