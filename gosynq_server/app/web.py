"""HTTP servers inside the server's own event loop: bound beforehand, stopped without signals."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class WebServer:
    """One ASGI app on one socket that listens."""

    def __init__(self, app: ASGIApp, listening: socket.socket) -> None:
        self._socket = listening
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
