"""Makes the calls of one client, each within its time, and raises what they were refused with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc

from gosynq_client.statuses import error_of_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gosynq_client.options import ClientOptions


class _PageRequest(Protocol):
    page_token: str


class _Page(Protocol):
    next_page_token: str


_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_APageRequest = TypeVar("_APageRequest", bound=_PageRequest)
_APage = TypeVar("_APage", bound=_Page)


class Caller:
    """Calls methods with a client's token and time-out. Raises a class of `gosynq_client.errors`."""

    def __init__(self, options: ClientOptions) -> None:
        self.metadata = () if options.token is None else (("authorization", f"Bearer {options.token}"),)
        self._timeout = options.call_timeout.total_seconds()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[_Request, _Response],
        request: _Request,
        seconds: float | None = None,
    ) -> _Response:
        """Make one call, within so many seconds where they are given."""
        try:
            return await method(request, timeout=seconds or self._timeout, metadata=self.metadata)
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure) from failure

    async def pages(
        self, method: grpc.aio.UnaryUnaryMultiCallable[_APageRequest, _APage], request: _APageRequest
    ) -> AsyncGenerator[_APage, None]:
        """Ask for page after page, as they are taken, and change the request for it."""
        while True:
            page = await self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
