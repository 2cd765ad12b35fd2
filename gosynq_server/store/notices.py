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

_TICKS = "gosynq_ticks"
_CHANNEL = "gosynq"
_RECONNECT_SECONDS = 1.0
_CONNECT_SECONDS = 5.0


async def send(executor: Executor, notice: str) -> None:
    """Send a notice of under 8000 bytes to every server that listens, this one included."""
    await executor.fetch("notices_send", notice)


async def listen(dsn: str, receive: Callable[[str], None], *, on_tick: Callable[[], None]) -> None:
    """Pass on every notice, and tell of every tick, until cancelled.

    It has a connection of its own, which is opened again when it breaks. A pooler in transaction mode has no use for
    LISTEN; then nothing is received, and polling is what remains.
    """
    while True:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await _listen_once(dsn, receive, on_tick)
        _log.debug("the connection for notices is gone")
        await asyncio.sleep(_RECONNECT_SECONDS)


async def _listen_once(dsn: str, receive: Callable[[str], None], on_tick: Callable[[], None]) -> None:
    connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    closed = asyncio.Event()

    def on_notice(_connection: object, _pid: int, channel: str, notice: object) -> None:
        if channel == _TICKS:
            on_tick()
        else:
            receive(str(notice))

    def on_close(_connection: object) -> None:
        closed.set()

    try:
        connection.add_termination_listener(on_close)
        for channel in (_CHANNEL, _TICKS):
            await connection.add_listener(channel, on_notice)
        await closed.wait()
    finally:
        connection.terminate()
