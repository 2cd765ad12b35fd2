"""The embedded server as its owner sees it: started, killed, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedPostgres
from gosynq_server.embedded.errors import DataDirectoryTaken, PostmasterExited, StoppedWhileStarting

PATIENCE = 15.0


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_it_serves_utf8_sorted_by_code_point(fresh_server: EmbeddedPostgres) -> None:
    url = await fresh_server.start()
    question = "SELECT string_agg(word, ' ' ORDER BY word) FROM unnest(ARRAY['b', 'ä', 'B', 'a']) AS word"
    assert await ask(url, question) == "B a b ä"
    assert await ask(url, "SELECT lower('Ä')") == "ä"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", ""),
        ("shared_buffers", "128MB"),
        ("max_connections", "100"),
        ("autovacuum_naptime", "10s"),
        ("wal_compression", "off"),
        ("max_wal_size", "2GB"),
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("jit", "off"),
        ("track_io_timing", "off"),
        ("TimeZone", "UTC"),
        ("work_mem", "7MB"),
    ],
)
async def test_a_durable_server_has_its_settings_and_the_extra_ones(durable_url: str, setting: str, value: str) -> None:
    assert await ask(durable_url, f"SHOW {setting}") == value


@pytest.fixture(scope="module")
def durable_url(run_apart: Callable[..., object], reachable_folder: Path) -> Iterator[object]:
    server = EmbeddedPostgres(data_dir=reachable_folder / "durable", settings={"work_mem": "7MB"})
    yield run_apart(server.start())
    run_apart(server.stop())


async def test_it_asks_for_no_password_on_its_socket_and_refuses_every_host(server: EmbeddedPostgres) -> None:
    url = await server.start()
    rules = "SELECT string_agg(DISTINCT type || ' ' || auth_method, ', ') FROM pg_hba_file_rules"
    assert await ask(url, rules) == "host reject, local trust"


async def test_variables_meant_for_other_servers_do_not_reach_it(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGOPTIONS", "--nonsense=1")
    url = await server.start()
    for name in ("PGDATA", "PGPORT", "PGOPTIONS"):
        monkeypatch.delenv(name)
    assert await ask(url, "SHOW port") == "5432"


async def test_what_was_committed_is_there_after_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    await ask(await server.start(), "CREATE TABLE kept AS SELECT 7 AS number")
    await server.stop()
    assert await ask(await server.start(), "SELECT number FROM kept") == 7


async def test_run_ends_when_the_server_is_stopped(server: EmbeddedPostgres) -> None:
    await server.start()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        tasks.create_task(server.run())
        await server.stop()
    assert server.pid is None


async def test_stopping_early_twice_or_at_once_is_harmless(server: EmbeddedPostgres) -> None:
    await server.stop()
    url = await server.start()
    assert await ask(url, "SELECT 7") == 7
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.stop())
        tasks.create_task(server.stop())
    await server.stop()
    assert server.pid is None


async def test_a_stop_while_it_starts_is_told_to_the_starter(fresh_server: EmbeddedPostgres, folder: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(_refused(fresh_server))
        tasks.create_task(fresh_server.stop())
    assert isinstance(starting.result(), StoppedWhileStarting)
    assert not (folder / "embedded" / "data" / "postmaster.pid").exists()


async def _refused(server: EmbeddedPostgres) -> Exception:
    with pytest.raises(StoppedWhileStarting) as refusal:
        await server.start()
    return refusal.value


async def test_a_start_that_is_cancelled_lets_go_of_the_data_directory(fresh_server: EmbeddedPostgres) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await fresh_server.start()
    assert await ask(await fresh_server.start(), "SELECT 7") == 7


async def test_starting_twice_is_refused_and_the_first_goes_on(server: EmbeddedPostgres) -> None:
    url = await server.start()
    with pytest.raises(DataDirectoryTaken, match=f"process {os.getpid()} owns"):
        await server.start()
    assert await ask(url, "SELECT 7") == 7


async def test_a_server_that_ends_at_once_is_told_with_its_last_words(
    make_server: Callable[..., EmbeddedPostgres],
) -> None:
    with pytest.raises(PostmasterExited, match='unrecognized configuration parameter "colour"'):
        await make_server(settings={"colour": "red"}).start()


async def test_a_server_that_does_not_hear_is_killed(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, until_ended: Callable[[int], None]
) -> None:
    monkeypatch.setattr("gosynq_server.embedded.postmaster._FAST_PATIENCE", 0.05)
    monkeypatch.setattr("gosynq_server.embedded.postmaster._IMMEDIATE_PATIENCE", 0.05)
    await server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await server.stop()
    until_ended(pid)


async def test_a_big_log_is_put_aside_at_the_start(server: EmbeddedPostgres, folder: Path) -> None:
    await server.start()
    await server.stop()
    log = folder / "embedded" / "postgres.log"
    log.write_bytes(b"x" * (16 * 1024 * 1024 + 1))
    await server.start()
    assert log.stat().st_size < 100_000
    assert log.with_suffix(".log.old").stat().st_size > 16 * 1024 * 1024
