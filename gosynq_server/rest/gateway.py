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

from gosynq_server.rest import calls, health
from gosynq_server.rest.bindings import RouteTable, contract_bindings
from gosynq_server.rest.errors import Failure, call_failure, internal_failure, refusal_failure
from gosynq_server.rest.json_out import write_message
from gosynq_server.rest.openapi import openapi_document
from gosynq_server.rest.original import success_status
from gosynq_server.rest.refusals import BodyTooLarge, RequestRefused
from gosynq_server.rest.requests import HttpRequest, request_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from gosynq_server.rest.bindings import Binding

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_log = logging.getLogger(__name__)


def build_app(channel: grpc.aio.Channel, *, max_body_bytes: int = MAX_BODY_BYTES) -> Starlette:
    """Return the REST app in front of the gRPC server that the channel leads to; the channel stays the caller's.

    `max_body_bytes` bounds both the HTTP body and the message made of it, and is best the server's own message limit.
    """
    table = RouteTable(contract_bindings())
    gateway = Gateway(channel, table=table, max_body_bytes=max_body_bytes)
    document = orjson.dumps(openapi_document(table.bindings))
    page = health.HealthPage(channel)

    async def read_openapi(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def read_health(_request: Request) -> Response:
        status, body = await page.read()
        return _json_response(status, body)

    routes = [
        Route("/openapi.json", read_openapi),
        Route(health.PATH, read_health),
        Route("/{path:path}", gateway.answer, methods=METHODS),
    ]
    return Starlette(routes=routes)


class Gateway:
    """Answers the requests of the route table."""

    def __init__(self, channel: grpc.aio.Channel, *, table: RouteTable, max_body_bytes: int) -> None:
        self._table = table
        self._max_body_bytes = max_body_bytes
        self._stubs = {binding.full_method: _stub(channel, binding) for binding in table.bindings}

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever comes of it; the request id is in every answer."""
        identity = calls.request_id(request.headers)
        try:
            response = await self._respond(request, identity)
        except RequestRefused as refused:
            response = _failure_response(refusal_failure(refused))
        except ClientDisconnect:
            response = _gone()
        except Exception:  # noqa: BLE001 - the edge: the log is told what it was, the caller where to look
            _log.exception("request failed", extra={"request_id": identity, "http_path": request.url.path})
            response = _failure_response(internal_failure(identity))
        response.headers[calls.REQUEST_ID] = identity
        return response

    async def _respond(self, request: Request, identity: str) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        binding, variables = self._table.find(method, request.scope["path"])
        message = await self._message(request, binding, variables)
        call = self._stubs[binding.full_method](
            message,
            metadata=calls.call_metadata(request.headers, identity),
            timeout=calls.call_timeout(request.headers, message).total_seconds(),
        )
        match await calls.call_while_present(call, request.receive):
            case None:
                return _gone()
            case grpc.aio.AioRpcError() as error:
                return _failure_response(call_failure(error, body=binding.body_field))
            case response:
                return _success_response(binding, response)

    async def _message(self, request: Request, binding: Binding, variables: Mapping[str, str]) -> Message:
        http = HttpRequest(
            variables=variables,
            query=request.scope["query_string"].decode("latin-1"),
            body=await self._body(request),
            idempotency_key=request.headers.get("idempotency-key", ""),
        )
        message = request_message(binding, http)
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


def _stub(channel: grpc.aio.Channel, binding: Binding) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
    return channel.unary_unary(
        binding.full_method,
        request_serializer=binding.request.SerializeToString,
        response_deserializer=binding.response.FromString,
    )


def _success_response(binding: Binding, response: Message) -> Response:
    shown = getattr(response, binding.response_body) if binding.response_body else response
    return _json_response(success_status(response), write_message(shown))


def _failure_response(failure: Failure) -> Response:
    return _json_response(failure.http_status, failure.body(), failure.headers)


def _gone() -> Response:
    """Return the answer that nobody reads any more."""
    return Response(status_code=499)


def _json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **(headers or {})},
    )
