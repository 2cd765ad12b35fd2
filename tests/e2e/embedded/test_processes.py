"""The embedded server and the processes around it: its owner, rivals, orphans, and strangers that are none of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedPostgres
from gosynq_server.embedded.account import choose_account
from gosynq_server.embedded.binaries import find_binaries
from gosynq_server.embedded.errors import DataDirectoryTaken, LeftoverServerStuck

Owner: TypeAlias = tuple["subprocess.Popen[str]", str, int]


async def ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


@pytest.fixture
def zombie(until_ended: Callable[[int], None]) -> Iterator[int]:
    """Give the id of a process that has ended and whose parent has not asked how."""
    with subprocess.Popen(["true"]) as process:
        until_ended(process.pid)
        yield process.pid


@pytest.fixture
def orphan(folder: Path) -> Iterator[Callable[[], int]]:
    """Give a function that starts a server on the folder's data as an earlier run would have left it behind."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> int:
        account = choose_account()
        data = folder / "embedded" / "data"
        program = find_binaries(account, copies=folder / "copies").program("postgres")
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={data}"]
        read, write = os.pipe()
        started.append(subprocess.Popen(account.command(program, "-D", str(data), *options), stderr=write, cwd="/"))
        os.close(write)
        with os.fdopen(read) as log:
            assert any("ready to accept connections" in line for line in log)
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()


async def test_when_its_owner_is_killed_it_ends(own: Callable[[], Owner], until_ended: Callable[[int], None]) -> None:
    process, _, pid = own()
    process.kill()
    until_ended(pid)


@pytest.mark.parametrize("times", [3])
async def test_when_both_are_killed_the_next_start_has_all_that_was_committed(
    own: Callable[[], Owner], until_ended: Callable[[int], None], times: int
) -> None:
    for time in range(times):
        process, url, pid = own()
        await ask(url, "CREATE TABLE IF NOT EXISTS kept (moment timestamptz DEFAULT statement_timestamp())")
        assert await ask(url, "INSERT INTO kept DEFAULT VALUES RETURNING (SELECT count(*) FROM kept)") == time
        os.kill(pid, signal.SIGKILL)
        process.kill()
        until_ended(process.pid)


async def test_asked_to_end_the_owner_takes_the_server_along_and_exits_well(
    own: Callable[[], Owner], until_ended: Callable[[int], None]
) -> None:
    process, _, pid = own()
    process.terminate()
    assert process.wait(15) == 0
    until_ended(pid)


async def test_a_second_owner_is_refused_and_told_what_to_do(
    own: Callable[[], Owner], server: EmbeddedPostgres, folder: Path
) -> None:
    process, url, _ = own()
    with pytest.raises(DataDirectoryTaken) as refusal:
        await server.start()
    assert str(refusal.value) == (
        f"The process {process.pid} owns the data directory {folder / 'embedded'}:"
        " stop it, choose another folder, or give a database URL."
    )
    assert await ask(url, "SELECT 7") == 7


async def test_an_orphaned_server_is_stopped_and_its_data_taken_over(
    server: EmbeddedPostgres, orphan: Callable[[], int], until_ended: Callable[[int], None]
) -> None:
    await ask(await server.start(), "CREATE TABLE kept AS SELECT 7 AS number")
    await server.stop()
    pid = orphan()
    assert await ask(await server.start(), "SELECT number FROM kept") == 7
    assert server.pid != pid
    until_ended(pid)


async def test_an_orphaned_server_is_known_by_its_command_where_there_is_no_process_list(
    server: EmbeddedPostgres,
    orphan: Callable[[], int],
    until_ended: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    await server.start()
    await server.stop()
    pid = orphan()
    monkeypatch.setattr("gosynq_server.embedded.leftover._PROCESSES", folder)
    await server.start()
    until_ended(pid)


async def test_an_orphaned_server_that_does_not_stop_is_named(
    server: EmbeddedPostgres, orphan: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.start()
    await server.stop()
    pid = orphan()
    os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr("gosynq_server.embedded.leftover._PATIENCE", 0.05)
    with pytest.raises(LeftoverServerStuck, match=f"server {pid} that an earlier run left"):
        await server.start()


async def test_a_stale_pid_file_that_names_a_living_stranger_harms_neither(
    server: EmbeddedPostgres, stranger: subprocess.Popen[bytes], folder: Path
) -> None:
    await server.start()
    data = folder / "embedded" / "data"
    lines = (data / "postmaster.pid").read_text().split("\n")
    lock = (data / ".s.PGSQL.5432.lock").read_text().split("\n")
    await server.stop()
    (data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]))
    (data / ".s.PGSQL.5432.lock").write_text("\n".join([str(stranger.pid), *lock[1:]]))
    assert await ask(await server.start(), "SELECT 7") == 7
    assert stranger.poll() is None


async def test_a_zombie_is_not_taken_for_a_live_server(server: EmbeddedPostgres, zombie: int, folder: Path) -> None:
    await server.start()
    data = folder / "embedded" / "data"
    lines = (data / "postmaster.pid").read_text().split("\n")
    await server.stop()
    (data / "postmaster.pid").write_text("\n".join([str(zombie), *lines[1:]]))
    assert await ask(await server.start(), "SELECT 7") == 7


@pytest.mark.parametrize("content", ["", "\n", "nonsense\n", "12"])
async def test_a_pid_file_that_is_empty_or_half_written_does_not_hinder(
    server: EmbeddedPostgres, folder: Path, content: str
) -> None:
    await server.start()
    await server.stop()
    (folder / "embedded" / "data" / "postmaster.pid").write_text(content)
    assert await ask(await server.start(), "SELECT 7") == 7


async def test_it_is_watched_in_a_session_of_its_own(server: EmbeddedPostgres) -> None:
    await server.start()
    assert server.pid is not None
    assert await asyncio.to_thread(os.getsid, server.pid) == server.pid
