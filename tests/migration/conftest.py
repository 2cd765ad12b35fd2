"""Empty databases and migrations of the tests' own."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from gosynq_server.store.migrations import Migration, load_migrations

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connect: TypeAlias = Callable[[], Awaitable[Connection]]
Write: TypeAlias = Callable[..., tuple[Migration, ...]]


@pytest.fixture
def empty_database_url(postgres: str, administrator: Callable[[str], None]) -> Iterator[str]:
    name = f"empty_{uuid.uuid4().hex}"
    administrator(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
    administrator(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def connect(empty_database_url: str) -> AsyncIterator[Connect]:
    """Give a function that opens one more connection to an empty database."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_one() -> Connection:
            connection = await asyncpg.connect(empty_database_url)
            stack.push_async_callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
async def connection(connect: Connect) -> Connection:
    return await connect()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Give a function that writes one migration file pair per argument, (up, down), and loads them."""

    def write_and_load(*pairs: tuple[str, str]) -> tuple[Migration, ...]:
        for version, (up, down) in enumerate(pairs, start=1):
            (tmp_path / f"{version:04}_step.up.sql").write_text(up)
            (tmp_path / f"{version:04}_step.down.sql").write_text(down)
        return load_migrations(tmp_path)

    return write_and_load


@pytest.fixture
def three(write: Write) -> tuple[Migration, ...]:
    """Give three migrations that make the tables one, two and three."""
    return write(*((f"CREATE TABLE {name} (id int);\n", f"DROP TABLE {name};\n") for name in ("one", "two", "three")))


@pytest.fixture
async def until_blocked(connect: Connect) -> Callable[[Connection], Awaitable[None]]:
    """Give a function that returns when a connection waits for a lock."""
    watcher = await connect()

    async def wait(connection: Connection) -> None:
        question = "SELECT cardinality(pg_blocking_pids($1)) > 0"
        async with asyncio.timeout(10):
            while not await watcher.fetchval(question, connection.get_server_pid()):
                pass

    return wait
