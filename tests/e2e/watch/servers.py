"""Servers over one database, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from tests.fault.servers import ServerProcess

StartServer: TypeAlias = Callable[[], Awaitable[ServerProcess]]


@asynccontextmanager
async def servers_over(data_dir: Path, *arguments: str) -> AsyncIterator[StartServer]:
    """Give a function that starts `gosynq up` and waits until it serves; whatever still runs in the end is killed."""
    async with AsyncExitStack() as stack:

        async def start() -> ServerProcess:
            command = ("up", "--data-dir", str(data_dir), *arguments)
            process = await ServerProcess.spawn(*command, log=data_dir.with_suffix(".log"), environment={})
            stack.push_async_callback(process.kill)
            return await process.ready()

        yield start
