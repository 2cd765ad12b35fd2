"""What keeps a server from starting: told in one line, with an exit status, and without a trace of a bug."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.fault.conftest import Launch
from tests.fault.judging import SETTINGS
from tests.fault.servers import ServerProcess

_FAILED = 1
_MISUSED = 2
_NOWHERE = "postgresql://nobody@/nothing?host=/nowhere"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        yield owner.getsockname()[1]


@pytest.mark.parametrize("name", ["grpc", "http", "metrics", "health"])
async def test_a_port_that_is_taken_is_named(name: str, launch: Launch, taken_port: int) -> None:
    server = await launch("serve", "--database-url", _NOWHERE, f"--{name}-port", str(taken_port))
    assert (
        f"Can't listen on 127.0.0.1:{taken_port}: Address already in use. Name another port by --{name}-port, "
        "0 being any free one, or another --host."
    ) in await _refusal(server)


async def test_a_database_url_that_can_never_work_is_not_waited_for(launch: Launch) -> None:
    server = await launch("serve", "--database-url", "postgresql://u:secret@127.0.0.1:1/d?sslmode=nope")
    refusal = await _refusal(server, status=_MISUSED)
    assert "database_url can't be used: `sslmode` parameter must be one of" in refusal
    assert "secret" not in refusal


async def test_a_folder_that_is_not_ours_is_left_alone(launch: Launch, folder: Path) -> None:
    foreign = folder / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear reader")
    assert str(foreign) in await _refusal(await launch("up", "--data-dir", str(foreign)))
    assert [path.name for path in foreign.iterdir()] == ["letter.txt"]


async def test_data_of_another_major_version_is_left_alone(launch: Launch, data_dir: Path) -> None:
    (data_dir / "data" / "PG_VERSION").write_text("9\n")
    assert "PostgreSQL 9" in await _refusal(await launch("up", "--data-dir", str(data_dir)))


async def test_a_second_owner_of_a_data_directory_is_refused(launch: Launch, data_dir: Path) -> None:
    owner = await (await launch("up", "--data-dir", str(data_dir), *SETTINGS)).ready()
    assert str(owner.pid) in await _refusal(await launch("up", "--data-dir", str(data_dir), log="second"))
    assert owner.running


async def test_an_older_schema_is_refused_unless_it_may_be_migrated(launch: Launch, database_url: str) -> None:
    await _execute(database_url, "DELETE FROM gosynq.migrations")
    refusal = await _refusal(await launch("serve", "--database-url", database_url))
    assert "version 0" in refusal
    assert "migrate" in refusal


@pytest.mark.parametrize("flags", [(), ("--auto-migrate",)])
async def test_a_newer_schema_is_refused(flags: tuple[str, ...], launch: Launch, database_url: str) -> None:
    await _execute(database_url, "INSERT INTO gosynq.migrations (version, name, checksum) VALUES (999, 'later', '')")
    assert "999" in await _refusal(await launch("serve", "--database-url", database_url, *flags))


async def _refusal(server: ServerProcess, *, status: int = _FAILED) -> str:
    """Wait for a server's end, which must be a refusal, and return what it said."""
    ended = await server.ended()
    assert (ended.status, "Traceback" in ended.log, "Exception" in ended.log) == (status, False, False), ended.log
    return ended.log


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()
