"""HTTP servers inside the server's own event loop: bound beforehand, stopped without signals."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from gosynq_server.app.errors import AddressTaken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp

_BACKLOG = 1024


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class WebServer:
    """One ASGI app on one port. Raises AddressTaken where it can't be bound; port 0 picks a free one."""

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._socket = _bound(host, port)
        self._server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", log_level="warning", timeout_graceful_shutdown=5
            )
        )
        self.port: int = self._socket.getsockname()[1]

    async def run(self) -> None:
        """Serve until told to stop."""
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests and let the open ones end; twice is harmless."""
        self._server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressTaken(address=f"{host}:{port}", problem=error) from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise AddressTaken(address=f"{host}:{port}", problem=error) from error
    return bound
