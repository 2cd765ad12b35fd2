"""A scripted server for the client, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gosynq_client import Client
from tests.contract.client.scripted import Script, new_server


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def target(script: Script) -> AsyncIterator[str]:
    server = new_server(script)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def client(target: str) -> AsyncIterator[Client]:
    async with Client(target) as client:
        yield client
