"""Turns what gRPC says of a failed call into the client's errors, in this one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from gosynq_client import errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

_Detail = TypeVar("_Detail", bound=Message)

_DOMAIN = "gosynq"

ERRORS_BY_REASON: Final[Mapping[str, type[errors.GosynqError]]] = {
    error.reason: error
    for error in (
        errors.ValidationFailed,
        errors.PayloadTooLarge,
        errors.NumberPrecision,
        errors.FilterInvalid,
        errors.PageTokenInvalid,
        errors.CursorInvalid,
        errors.ScheduleInvalid,
        errors.ProtocolViolation,
        errors.UpdateMaskInvalid,
        errors.CursorExpired,
        errors.JobNotFound,
        errors.QueueNotFound,
        errors.ScheduleNotFound,
        errors.WorkerNotFound,
        errors.IdempotencyKeyReused,
        errors.ScheduleExists,
        errors.JobTerminal,
        errors.JobProcessing,
        errors.LeaseLost,
        errors.QueueDraining,
        errors.QueueNotEmpty,
        errors.QueueDeleting,
        errors.EtagMismatch,
        errors.SessionReplaced,
        errors.QueueFull,
        errors.RateLimited,
        errors.TooManyStreams,
        errors.SlowConsumer,
        errors.StorageFull,
        errors.CredentialsMissing,
        errors.CredentialsInvalid,
        errors.PermissionMissing,
        errors.CrossOrigin,
        errors.ServerDraining,
        errors.DatabaseUnavailable,
        errors.InternalError,
    )
}

# What fails without a reason: the library's own failures, a proxy's, or a server's that is newer than this client.
_ERRORS_BY_CODE: Final[Mapping[str, type[errors.GosynqError]]] = {
    "UNAVAILABLE": errors.Unavailable,
    # Not our own wish, which ends as asyncio's CancelledError: a server that stops ends so what it has not begun.
    "CANCELLED": errors.Unavailable,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
}

_CODE_NAMES: Final[Mapping[int, str]] = {code.value[0]: code.name for code in grpc.StatusCode}


def error_of_call(failure: grpc.aio.AioRpcError) -> errors.GosynqError:
    """Say what a call failed with, by its google.rpc.Status where it has a sound one, or else by its code."""
    try:
        status = rpc_status.from_call(failure)
    except (ValueError, DecodeError):  # the details contradict the call, or are none: the call itself is right
        status = None
    if status is None:
        status = status_pb2.Status(code=failure.code().value[0], message=failure.details() or "")
    return error_of_status(status)


def error_of_status(status: status_pb2.Status) -> errors.GosynqError:
    """Say what a google.rpc.Status means. An unknown reason gives the root class, with code and reason in it."""
    info = _detail(status, error_details_pb2.ErrorInfo())
    code = _CODE_NAMES.get(status.code, grpc.StatusCode.UNKNOWN.name)
    details = errors.ErrorDetails(
        code=code,
        reason=info.reason if info.domain == _DOMAIN else "",
        metadata=dict(info.metadata),
        retry_after=_retry_after(status),
        violations=_violations(status),
    )
    error = ERRORS_BY_REASON.get(details.reason) or _ERRORS_BY_CODE.get(code, errors.GosynqError)
    return error(status.message or code, details)


def _retry_after(status: status_pb2.Status) -> timedelta | None:
    info = _detail(status, error_details_pb2.RetryInfo())
    if not info.HasField("retry_delay"):
        return None
    delay: timedelta = info.retry_delay.ToTimedelta()
    return delay


def _violations(status: status_pb2.Status) -> tuple[errors.FieldViolation, ...]:
    return tuple(
        errors.FieldViolation(field=violation.field, description=violation.description, reason=violation.reason)
        for violation in _detail(status, error_details_pb2.BadRequest()).field_violations
    )


def _detail(status: status_pb2.Status, empty: _Detail) -> _Detail:
    """Fill the message with the detail of its type; it stays empty where there is none, or none that parses."""
    for detail in status.details:
        if detail.Is(empty.DESCRIPTOR):
            try:
                detail.Unpack(empty)
            except DecodeError:
                empty.Clear()
            break
    return empty
