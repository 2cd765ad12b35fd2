"""The one table from the domain's errors to gRPC codes, and how an error looks on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from gosynq_server.domain import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

DOMAIN = "gosynq"

CODES: dict[type[errors.GosynqError], grpc.StatusCode] = {
    errors.ValidationFailed: grpc.StatusCode.INVALID_ARGUMENT,
    errors.ScheduleInvalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PayloadTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UpdateMaskInvalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.FilterInvalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.PageTokenInvalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.CursorInvalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.CursorExpired: grpc.StatusCode.OUT_OF_RANGE,
    errors.SlowConsumer: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ProtocolViolation: grpc.StatusCode.INVALID_ARGUMENT,
    errors.SessionReplaced: grpc.StatusCode.ABORTED,
    errors.JobNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ScheduleNotFound: grpc.StatusCode.NOT_FOUND,
    errors.ScheduleExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.WorkerNotFound: grpc.StatusCode.NOT_FOUND,
    errors.QueueNotFound: grpc.StatusCode.NOT_FOUND,
    errors.IdempotencyKeyReused: grpc.StatusCode.ALREADY_EXISTS,
    errors.JobTerminal: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobProcessing: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueDraining: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueDeleting: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueNotEmpty: grpc.StatusCode.FAILED_PRECONDITION,
    errors.EtagMismatch: grpc.StatusCode.ABORTED,
    errors.LeaseLost: grpc.StatusCode.FAILED_PRECONDITION,
    errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StorageFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ServerDraining: grpc.StatusCode.UNAVAILABLE,
    errors.DatabaseUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DatabaseBusy: grpc.StatusCode.UNAVAILABLE,
    errors.GosynqError: grpc.StatusCode.INTERNAL,
}
"""One code for each class; GosynqError itself stands for what should not have happened."""

STATUS_LIMIT = 4096
"""Bytes of a whole Status: clients refuse trailers above 8 KiB, and base64 and the message come on top of it."""

VIOLATION_LIMIT = 20
_MESSAGE_LIMIT, _TEXT_LIMIT, _METADATA_LIMIT = 512, 256, 8


def code_of(error: errors.GosynqError) -> grpc.StatusCode:
    """Return the code that this error always comes with."""
    return CODES[type(error)]


def status_of(error: errors.GosynqError) -> status_pb2.Status:
    """Return the whole google.rpc.Status of an error, at most STATUS_LIMIT bytes."""
    status = status_pb2.Status(code=code_of(error).value[0], message=cut(str(error), _MESSAGE_LIMIT))
    status.details.extend(map(_packed, _details_of(error)))
    if isinstance(error, errors.ValidationFailed):
        room = STATUS_LIMIT - status.ByteSize() - _ENVELOPE
        status.details.append(_packed(_bad_request(error.violations[:VIOLATION_LIMIT], room)))
    return status


def cut(text: str, limit: int) -> str:
    """Return the text, or as much of its start as fits into that many bytes with a mark that some is missing."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return text
    return encoded[: limit - 3].decode(errors="ignore") + "..."


_ENVELOPE = 128
"""Bytes around a BadRequest in a Status: tags, lengths and its type's URL."""


def _details_of(error: errors.GosynqError) -> Iterator[Message]:
    metadata = {name: cut(value, _TEXT_LIMIT) for name, value in list(error.metadata.items())[:_METADATA_LIMIT]}
    yield error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason, metadata=metadata)
    if isinstance(error, errors.Retryable):
        delay = duration_pb2.Duration()
        delay.FromTimedelta(error.retry_after)
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _bad_request(violations: Iterable[errors.FieldViolation], room: int) -> error_details_pb2.BadRequest:
    request = error_details_pb2.BadRequest()
    for violation in violations:
        request.field_violations.add(
            field=cut(violation.field, _TEXT_LIMIT),
            description=cut(violation.description, _TEXT_LIMIT),
            reason=cut(violation.reason, _TEXT_LIMIT),
        )
        if request.ByteSize() > room:
            del request.field_violations[-1]
            break
    return request


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
