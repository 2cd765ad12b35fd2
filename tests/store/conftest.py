"""A house, a database and a connection for each test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gosynq_server.store.database import Database
from tests.service.house import Connection, House, open_house


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
