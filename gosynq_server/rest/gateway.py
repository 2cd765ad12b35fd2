"""The ASGI app: each HTTP request is one RPC over a channel, whichever server that leads to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import grpc
import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from gosynq_server.rest import calls, event_ids, health
from gosynq_server.rest.apart import apart
from gosynq_server.rest.bindings import RouteTable, contract_bindings
from gosynq_server.rest.errors import call_failure, internal_failure, refusal_failure
from gosynq_server.rest.framings import framing_for
from gosynq_server.rest.json_out import write_message
from gosynq_server.rest.openapi import openapi_document
from gosynq_server.rest.original import success_status
from gosynq_server.rest.origins import check_origin
from gosynq_server.rest.refusals import BodyTooLarge, MethodNotAllowed, RequestRefused
from gosynq_server.rest.requests import HttpRequest, request_message
from gosynq_server.rest.responses import failure_response, gone_response, json_response
from gosynq_server.rest.stream_answer import StreamAnswer
from gosynq_server.rest.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from google.protobuf.message import Message
    from starlette.types import Receive, Scope, Send

    from gosynq_server.rest.bindings import Binding

    Page = Callable[[], Awaitable[Response]]

MAX_BODY_BYTES: Final = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


def build_app(
    channel: grpc.aio.Channel, *, streams: Streams | None = None, max_body_bytes: int = MAX_BODY_BYTES
) -> Starlette:
    """Return the REST app in front of the gRPC server that the channel leads to; the channel stays the caller's.

    `streams` are to be closed when the app is to stop. `max_body_bytes` bounds both the HTTP body and the message made
    of it, and is best the server's own message limit.
    """
    table = RouteTable(contract_bindings())
    document = orjson.dumps(openapi_document(table.bindings))
    page = health.HealthPage(channel)

    async def read_openapi() -> Response:
        return Response(document, media_type="application/json")

    async def read_health() -> Response:
        return json_response(*await page.read())

    gateway = Gateway(
        channel,
        table=table,
        pages={"/openapi.json": read_openapi, health.PATH: read_health},
        streams=streams or Streams(),
        max_body_bytes=max_body_bytes,
    )
    return Starlette(routes=[Route("/{path:path}", gateway)])


class Gateway:
    """Answers the requests of the route table, and of a few pages that no RPC stands behind."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        table: RouteTable,
        pages: Mapping[str, Page],
        streams: Streams,
        max_body_bytes: int,
    ) -> None:
        self._table = table
        self._pages = pages
        self._streams = streams
        self._max_body_bytes = max_body_bytes
        self._stubs = {binding.full_method: _stub(channel, binding) for binding in table.bindings}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as an ASGI app of its own."""
        request = Request(scope, receive)
        response = await self.answer(request)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever comes of it; the request id is in every answer."""
        identity = calls.request_id(request.headers)
        try:
            response = await self._respond(request, identity)
        except RequestRefused as refused:
            response = failure_response(refusal_failure(refused))
        except ClientDisconnect:
            response = gone_response()
        except Exception:  # noqa: BLE001 - the edge: the log is told what it was, the caller where to look
            _log.exception("request failed", extra={"request_id": identity, "http_path": request.url.path})
            response = failure_response(internal_failure(identity))
        response.headers[calls.REQUEST_ID] = identity
        return response

    async def _respond(self, request: Request, identity: str) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if method != "GET":
            check_origin(request.headers)
        path = request.scope["path"]
        if (page := self._pages.get(path)) is not None:
            if method != "GET":
                raise MethodNotAllowed(method, ("GET",))
            return await page()
        return await self._call(request, identity, self._table.find(method, path))

    async def _call(self, request: Request, identity: str, route: tuple[Binding, Mapping[str, str]]) -> Response:
        binding, variables = route
        message = await self._message(request, binding, variables)
        if binding.rpc.server_streaming:
            return self._stream(request, identity, binding, message)
        call = self._stubs[binding.full_method](
            message,
            metadata=calls.call_metadata(request.headers, identity),
            timeout=calls.call_timeout(request.headers, message).total_seconds(),
        )
        match await calls.call_while_present(call, request.receive):
            case None:
                return gone_response()
            case grpc.aio.AioRpcError() as error:
                return failure_response(call_failure(error, body=binding.body_field))
            case response:
                return await apart(response.ByteSize(), _success_response, binding, response)

    def _stream(self, request: Request, identity: str, binding: Binding, message: Message) -> Response:
        if request.headers.get(event_ids.HEADER) == event_ids.END:
            return Response(status_code=204)
        self._streams.check_room()
        call = self._stubs[binding.full_method](
            message,
            metadata=calls.call_metadata(request.headers, identity),
            timeout=calls.stream_timeout(request.headers),
        )
        framing = framing_for(",".join(request.headers.getlist("accept")))
        return StreamAnswer(call, binding=binding, framing=framing, streams=self._streams)

    async def _message(self, request: Request, binding: Binding, variables: Mapping[str, str]) -> Message:
        http = HttpRequest(
            variables=variables,
            query=request.scope["query_string"].decode("latin-1"),
            body=await self._body(request),
            idempotency_key=request.headers.get("idempotency-key", ""),
            last_event_id=request.headers.get(event_ids.HEADER, ""),
        )
        message = await apart(len(http.body), request_message, binding, http)
        if message.ByteSize() > self._max_body_bytes:
            raise BodyTooLarge(self._max_body_bytes)
        return message

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise BodyTooLarge(self._max_body_bytes)
        return bytes(body)


def _stub(channel: grpc.aio.Channel, binding: Binding) -> Any:
    open_stub = channel.unary_stream if binding.rpc.server_streaming else channel.unary_unary
    return open_stub(
        binding.full_method,
        request_serializer=binding.request.SerializeToString,
        response_deserializer=binding.response.FromString,
    )


def _success_response(binding: Binding, response: Message) -> Response:
    return json_response(success_status(response), write_message(binding.shown(response)))
