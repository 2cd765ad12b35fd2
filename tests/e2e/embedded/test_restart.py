"""The embedded server killed under its owner: it comes back at the same address, with all that was committed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from gosynq_server.embedded import EmbeddedPostgres

SERVES_AGAIN = "embedded PostgreSQL serves again"
WAITS_FOR_MEMORY = "embedded PostgreSQL waits for the memory that the one before it left in use"
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


@pytest.fixture
async def running_rpcs() -> AsyncIterator[None]:
    """Keep four callers busy with RPCs to a gRPC server of this process."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel, asyncio.TaskGroup() as tasks:
        enough = asyncio.Event()
        for _ in range(4):
            tasks.create_task(_call_on_and_on(channel, enough))
        yield
        enough.set()
    await server.stop(None)


async def _call_on_and_on(channel: grpc.aio.Channel, enough: asyncio.Event) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    while not enough.is_set():
        await stub.Check(health_pb2.HealthCheckRequest())


async def test_killed_while_rpcs_run_every_launch_succeeds(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event], running_rpcs: None
) -> None:
    url = await server.start()
    failed, again = logged(COULD_NOT), logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        for _ in range(3):
            await kill_and_await(server, again)
        assert await ask(url, "SELECT 7") == 7
        await server.stop()
    assert not failed.is_set()


async def test_a_backend_in_a_long_computation_does_not_delay_the_restart(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event]
) -> None:
    url = await server.start()
    connection = await asyncpg.connect(url)
    again = logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        computing = tasks.create_task(_lose_connection(connection))
        await _until_computing(url)
        await kill_and_await(server, again)
        await computing
        assert await ask(url, "SELECT 7") == 7
        await server.stop()


async def test_without_a_process_list_the_memory_of_a_backend_left_behind_is_waited_for(
    server: EmbeddedPostgres, logged: Callable[[str], asyncio.Event], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr("gosynq_server.embedded.leftover._PROCESSES", folder)
    url = await server.start()
    connection = await asyncpg.connect(url)
    waits, again = logged(WAITS_FOR_MEMORY), logged(SERVES_AGAIN)
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(PATIENCE):
        tasks.create_task(server.run())
        os.kill(connection.get_server_pid(), signal.SIGSTOP)
        kill(server)
        await waits.wait()
        os.kill(connection.get_server_pid(), signal.SIGCONT)
        await again.wait()
        assert await ask(url, "SELECT 7") == 7
        await server.stop()
    connection.terminate()


async def _lose_connection(connection: asyncpg.Connection) -> None:
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await connection.fetchval("SELECT count(*) FROM generate_series(1, 10000000000) AS number")
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
