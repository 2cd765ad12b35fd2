"""A server without a pool of its own, and workers for it; whatever a test leaves running is killed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from gosynq_client import Client
from tests.fault.servers import ServerProcess

Start: TypeAlias = Callable[..., Awaitable[ServerProcess]]

HANDLERS = "tests.e2e.worker.handlers"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Give a function that starts `gosynq ARGUMENTS`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(*arguments: str) -> ServerProcess:
            log = tmp_path / f"{arguments[0]}.log"
            process = await ServerProcess.spawn(*arguments, log=log, environment={})
            stack.push_async_callback(process.kill)
            return process

        yield start


@pytest.fixture
async def server(start: Start, database_url: str) -> ServerProcess:
    return await (await start("serve", "--database-url", database_url)).ready()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[Client]:
    async with Client(server.addresses["grpc"]) as client:
        yield client


@pytest.fixture
def work(start: Start, server: ServerProcess) -> Start:
    """Give a function that starts a worker of the server."""

    async def work(*arguments: str) -> ServerProcess:
        return await start("worker", "--target", server.addresses["grpc"], "--handlers", HANDLERS, *arguments)

    return work
