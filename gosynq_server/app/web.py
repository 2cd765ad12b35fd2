"""HTTP servers inside the server's own event loop: bound beforehand, stopped without signals."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from starlette.types import ASGIApp

_TAKING_SECONDS = 0.25
"""How long a peer may take nothing of what waits for it, once the server stops."""


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the open requests end, but for peers who take nothing: those would hold it up."""
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(self._cut_what_is_not_taken())
            await super().shutdown(sockets)
            cutting.cancel()

    async def _cut_what_is_not_taken(self) -> None:
        await asyncio.sleep(_TAKING_SECONDS)
        transports = [connection.transport for connection in self.server_state.connections]
        unsent = [transport.get_write_buffer_size() for transport in transports]
        await asyncio.sleep(_TAKING_SECONDS)
        for transport, before in zip(transports, unsent, strict=True):
            if before and transport.get_write_buffer_size() >= before:
                transport.abort()


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

    def close(self) -> None:
        """Listen no more, where it may never have run; harmless where it has ended."""
        self._socket.close()

    def stop(self) -> None:
        """Take no more requests and let the open ones end; twice is harmless."""
        self._server.should_exit = True
