"""The embedded server killed under its owner: it comes back at the same address, with all that was committed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedPostgres

SERVES_AGAIN = "embedded PostgreSQL serves again"
COULD_NOT = "embedded PostgreSQL could not be launched"
PATIENCE = 15.0


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def kill(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


async def kill_and_await(server: EmbeddedPostgres, again: asyncio.Event) -> None:
    again.clear()
    kill(server)
    async with asyncio.timeout(PATIENCE):
        await again.wait()


async def test_killed_again_and_again_it_serves_at_the_same_address(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event]
) -> None:
    url = await server.start()
    await ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
    again = logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        for _ in range(3):
            await kill_and_await(server, again)
            assert await ask(url, "SELECT number FROM kept") == 7
        await server.stop()


async def test_a_backend_in_a_long_computation_does_not_delay_the_restart(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event]
) -> None:
    url = await server.start()
    connection = await asyncpg.connect(url)
    again = logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        computing = tasks.create_task(_lose_connection(connection, 10**10))
        await _until_computing(url)
        await kill_and_await(server, again)
        await computing
        assert await ask(url, "SELECT 7") == 7
        await server.stop()


async def test_without_a_process_list_the_memory_of_a_computing_backend_is_waited_for(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("gosynq_server.embedded.leftover._PROCESSES", folder)
    url = await server.start()
    connection = await asyncpg.connect(url)
    again = logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        tasks.create_task(_lose_connection(connection, 10**7))
        await _until_computing(url)
        await kill_and_await(server, again)
        assert await ask(url, "SELECT 7") == 7
        await server.stop()
    assert "pre-existing shared memory block" in (folder / "embedded" / "postgres.log").read_text()


async def _lose_connection(connection: asyncpg.Connection, length: int) -> None:
    # One that ends its computation before it looks around still answers.
    with contextlib.suppress(asyncpg.PostgresError, OSError):
        await connection.fetchval("SELECT count(*) FROM generate_series(1, $1::bigint) AS number", length)
    connection.terminate()


async def _until_computing(url: str) -> None:
    connection = await asyncpg.connect(url)
    question = """
        SELECT EXISTS (
            SELECT FROM pg_stat_activity
            WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%generate_series%'
        )
    """
    async with asyncio.timeout(PATIENCE):
        while not await connection.fetchval(question):
            pass
    await connection.close()


async def test_a_launch_that_fails_is_tried_again(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event], folder: Path
) -> None:
    url = await server.start()
    failed, again = logged(COULD_NOT), logged(SERVES_AGAIN)
    control = folder / "embedded" / "data" / "global" / "pg_control"
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE):
        tasks.create_task(server.run())
        control.rename(control.with_suffix(".away"))
        kill(server)
        await failed.wait()
        control.with_suffix(".away").rename(control)
        await again.wait()
        assert await ask(url, "SELECT 7") == 7
        await server.stop()
