"""What a refused call tells, taken apart."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A call's code and what its details say."""

    code: str
    message: str
    reason: str
    metadata: dict[str, str]
    fields: tuple[str, ...]
    trailers: dict[str, Any]


async def refusal_of(call: Awaitable[Any]) -> Refusal:
    """Await a call that is to be refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = caught.value
    return refusal_in(
        rpc_status.from_call(error) or status_pb2.Status(code=error.code().value[0], message=error.details() or ""),
        dict(error.trailing_metadata() or ()),
    )


def refusal_in(status: status_pb2.Status, trailers: dict[str, Any] | None = None) -> Refusal:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return Refusal(
        code=next(code.name for code in grpc.StatusCode if code.value[0] == status.code),
        message=status.message,
        reason=info.reason,
        metadata=dict(info.metadata),
        fields=tuple(violation.field for violation in bad.field_violations),
        trailers=trailers or {},
    )
