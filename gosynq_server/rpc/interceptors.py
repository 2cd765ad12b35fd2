"""What is done around every call: id, the schema's rules, errors, log line and figures.

A caller's deadline is kept by the library, which cancels the call; without one a call is bounded by what it does: every
statement has a time limit, and a wait has its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from time import perf_counter
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from grpc.aio import AbortError
from grpc_interceptor.server import AsyncServerInterceptor

from gosynq.v1.job_service_pb2 import EnqueueJobRequest
from gosynq_server.domain.errors import GosynqError, Retryable
from gosynq_server.rpc.errors import CODES, code_of, status_of
from gosynq_server.rpc.known_shapes import KnownShapes
from gosynq_server.rpc.validation import Malformed, check, lenient, malformed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Context = grpc.aio.ServicerContext[Any, Any]
    Observe = Callable[[str, str, float], None]
    """Told of every call that ended: its method, such as /gosynq.v1.JobService/GetJob, its code's name, its seconds."""

REQUEST_ID = "x-request-id"
_REQUEST_ID_FORM = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_STATUS_DETAILS = "grpc-status-details-bin"
_RETRY_PUSHBACK = "grpc-retry-pushback-ms"

_CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}

_CALLER_GONE = (asyncio.CancelledError, grpc.aio.InternalError)

_log = logging.getLogger(__name__)


class Call:
    """One call from its start: what its log line and its trailers tell. caller_id is empty if the caller gave none."""

    __slots__ = ("_own_id", "caller_id", "context", "method", "started")

    def __init__(self, method: str, context: Context) -> None:
        self.method = method
        self.context = context
        self.started = perf_counter()
        self.caller_id = _caller_id_of(context)
        self._own_id = ""

    @property
    def request_id(self) -> str:
        """The caller's id for the call, or one of our own, made when something has to be told of the call."""
        if not self.caller_id and not self._own_id:
            self._own_id = os.urandom(8).hex()
        return self.caller_id or self._own_id

    async def refuse(self, error: GosynqError) -> NoReturn:
        """End the call with what the one table says of an error."""
        status = status_of(error)
        trailers = [(REQUEST_ID, self.request_id), (_STATUS_DETAILS, status.SerializeToString())]
        if isinstance(error, Retryable):
            trailers.append((_RETRY_PUSHBACK, str(round(error.retry_after.total_seconds() * 1000))))
        await self.end(code_of(error), status.message, trailers)

    async def end(self, code: grpc.StatusCode, message: str, trailers: list[tuple[str, str | bytes]]) -> NoReturn:
        """End the call with a code; the trailers take the place of those that were set."""
        await self.context.abort(code, message, tuple(trailers))


class Unanswered:
    """Counts the calls whose end is not settled yet; a block that it is used in is one call."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    def __enter__(self) -> None:
        self._count += 1
        self._none.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._none.set()

    async def are_none(self) -> None:
        """Return when there is none."""
        await self._none.wait()


class CallInterceptor(AsyncServerInterceptor):
    """Wraps every call of a server: one interceptor instead of five, as each costs every call its closures."""

    def __init__(self, observe: Observe) -> None:
        self.unanswered = Unanswered()
        self._shapes = KnownShapes()
        self._observe = observe

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Return the wrapped handler of a method; it depends on nothing but the method."""
        handler = await super().intercept_service(continuation, details)  # type: ignore[no-untyped-call]  # has no types
        if handler is None:
            return None
        if not handler.request_streaming:
            handler = handler._replace(request_deserializer=lenient(handler.request_deserializer))
        if handler.response_streaming:
            handler = handler._replace(response_serializer=_encoded(handler.response_serializer))
        return handler

    async def intercept(
        self, method: Callable[..., Any], request_or_iterator: Any, context: Context, method_name: str
    ) -> Any:
        """Answer one call; whatever ends it is logged and counted once."""
        call = Call(method_name, context)
        if call.caller_id:
            context.set_trailing_metadata(((REQUEST_ID, call.caller_id),))
        try:
            with self.unanswered:
                response = await self._respond(method, request_or_iterator, call)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the edge, where every error is told
            await self._end(call, _first_of(error))
        self._tell(call, "OK")
        return response

    async def _respond(self, method: Callable[..., Any], request: Any, call: Call) -> Any:
        """Run a handler of any kind to its end.

        A generator is run here and its items are written, since what it raises after it was returned would pass by us.
        """
        self._check(request)
        response = method(request, call.context)
        if not hasattr(response, "__aiter__"):
            return await response
        async for item in response:
            await call.context.write(item)
        return None

    def _check(self, request: Any) -> None:
        """Hold the schema's rules; a request stream's messages are for its servicer, which knows what to answer."""
        if isinstance(request, EnqueueJobRequest):
            self._shapes.check(request)
        elif isinstance(request, Malformed):
            raise malformed()
        elif isinstance(request, Message):
            check(request)

    async def _end(self, call: Call, error: BaseException) -> NoReturn:
        """Turn what a handler raised into the call's status, unless it is one already."""
        try:
            await _refuse(call, error)
        finally:
            self._tell(call, "CANCELLED" if isinstance(error, _CALLER_GONE) else _code_of(call))

    def _tell(self, call: Call, code: str) -> None:
        seconds = perf_counter() - call.started
        self._observe(call.method, code, seconds)
        level = logging.DEBUG if code == "OK" else logging.INFO
        if _log.isEnabledFor(level):
            facts = {"method": call.method, "code": code, "seconds": round(seconds, 6), "peer": call.context.peer()}
            _log.log(level, "call ended", extra=facts | {"request_id": call.request_id})


async def _refuse(call: Call, error: BaseException) -> NoReturn:
    """End the call as the error asks, by raising what ends it in the library."""
    match error:
        case AbortError() | asyncio.CancelledError():
            raise error
        case grpc.aio.InternalError():
            # A blocked write raises this in place of the cancellation where the caller has gone.
            raise asyncio.CancelledError from error
        case GosynqError() if type(error) in CODES:
            await call.refuse(error)
        case DecodeError():
            await call.refuse(malformed())
        case NotImplementedError() if _code_of(call) == "UNIMPLEMENTED":
            await call.end(grpc.StatusCode.UNIMPLEMENTED, "not built yet", [(REQUEST_ID, call.request_id)])
        case _:
            facts = {"method": call.method, "request_id": call.request_id}
            _log.error("a call failed by a bug", exc_info=error, extra=facts)
            await call.refuse(GosynqError(request_id=call.request_id))


def _encoded(serialize: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Return a serializer that leaves what is encoded already as it is."""
    return lambda message: message if isinstance(message, bytes) else serialize(message)


def _code_of(call: Call) -> str:
    """Return the name of the call's code, which the library keeps as an enum's member, its number, or nothing yet."""
    code: Any = call.context.code()
    return _CODE_NAMES.get(code.value[0] if isinstance(code, grpc.StatusCode) else code, "UNKNOWN")


def _first_of(error: BaseException) -> BaseException:
    """Return the error that a task group was ended by."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _caller_id_of(context: Context) -> str:
    """Return the caller's id for the call if it has a fit one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _REQUEST_ID_FORM.fullmatch(value):
            return value
    return ""
