"""Notices between servers over LISTEN and NOTIFY: hints that may be lost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable

    from gosynq_server.store.database import Executor

_log = logging.getLogger(__name__)

_CHANNEL = "gosynq"
_RECONNECT_SECONDS = 1.0
_CONNECT_SECONDS = 5.0


async def send(executor: Executor, notice: str) -> None:
    """Send a notice of under 8000 bytes to every server that listens, this one included."""
    await executor.fetch("notices_send", notice)


async def listen(dsn: str, receive: Callable[[str], None]) -> None:
    """Pass on every notice until cancelled, over a connection of its own that is opened again when it breaks.

    A pooler in transaction mode has no use for LISTEN; then nothing is received, and polling is what remains.
    """
    while True:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await _listen_once(dsn, receive)
        _log.debug("the connection for notices is gone")
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _listen_once(dsn: str, receive: Callable[[str], None]) -> None:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    closed = asyncio.Event()

    def on_notice(_connection: object, _pid: int, _channel: str, notice: object) -> None:
        receive(str(notice))

    def on_close(_connection: object) -> None:
        closed.set()

    try:
        connection.add_termination_listener(on_close)
        await connection.add_listener(_CHANNEL, on_notice)
        await closed.wait()
    finally:
        connection.terminate()
