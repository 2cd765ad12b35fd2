"""Runners that migrate one database at the same time: one does it, the others wait for its lease."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.store import migration_lease
from gosynq_server.store.migration_errors import MigrationFailed, MigrationLeaseLost, MigrationsBusy
from gosynq_server.store.migrations import Migration, migrate_down, migrate_up

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connect: TypeAlias = Callable[[], Awaitable[Connection]]
Write: TypeAlias = Callable[..., tuple[Migration, ...]]
UntilBlocked: TypeAlias = Callable[[Connection], Awaitable[None]]

NO_WAIT = timedelta(0)
GATED = ("LOCK TABLE public.gate; CREATE TABLE one (id int);", "DROP TABLE one;")


@pytest.fixture
async def gate(connect: Connect) -> Connection:
    """Give the connection on whose transaction a gated migration waits."""
    connection = await connect()
    await connection.execute("CREATE TABLE public.gate ()")
    await connection.execute("BEGIN; LOCK TABLE public.gate;")
    return connection


async def expire_lease(connection: Connection) -> None:
    await connection.execute("UPDATE gosynq.migration_lease SET expires_at = statement_timestamp()")


async def test_of_many_on_an_empty_database_one_applies_each_migration(
    connect: Connect, three: tuple[Migration, ...]
) -> None:
    connections = [await connect() for _ in range(6)]
    applied = await asyncio.gather(*(migrate_up(connection, three) for connection in connections))
    assert sorted(migration.version for one in applied for migration in one) == [1, 2, 3]


@pytest.mark.parametrize(
    "rivals_statement",
    ["CREATE SCHEMA gosynq", "CREATE SCHEMA gosynq; CREATE TABLE gosynq.placeholder (); DROP TABLE gosynq.placeholder"],
)
async def test_a_rival_that_makes_the_bookkeeping_at_the_same_moment_is_no_error(
    connect: Connect,
    connection: Connection,
    until_blocked: UntilBlocked,
    three: tuple[Migration, ...],
    rivals_statement: str,
) -> None:
    rival = await connect()
    await rival.execute(f"BEGIN; {rivals_statement}")
    async with asyncio.TaskGroup() as tasks:
        migrating = tasks.create_task(migrate_up(connection, three))
        await until_blocked(connection)
        await rival.execute("COMMIT")
    assert migrating.result() == list(three)


@pytest.mark.parametrize("table", ["migration_lease", "migrations"])
async def test_a_rival_that_makes_a_table_at_the_same_moment_is_no_error(
    connect: Connect,
    connection: Connection,
    until_blocked: UntilBlocked,
    three: tuple[Migration, ...],
    table: str,
) -> None:
    await migrate_up(connection, three)
    await migrate_down(connection, three, to=0)
    rival = await connect()
    definition = await _move_away(rival, table)
    await rival.execute(f"BEGIN; {definition}")
    async with asyncio.TaskGroup() as tasks:
        migrating = tasks.create_task(migrate_up(connection, three))
        await until_blocked(connection)
        await rival.execute("COMMIT")
    assert migrating.result() == list(three)


async def _move_away(connection: Connection, table: str) -> str:
    await connection.execute("DROP TABLE gosynq.migrations")
    if table == "migration_lease":
        await connection.execute("DROP TABLE gosynq.migration_lease")
    return {
        "migration_lease": (
            "CREATE TABLE gosynq.migration_lease (singleton boolean PRIMARY KEY DEFAULT true, owner text,"
            " expires_at timestamptz, renewed_at timestamptz)"
        ),
        "migrations": (
            "CREATE TABLE gosynq.migrations (version int PRIMARY KEY, name text, checksum text,"
            " applied_at timestamptz DEFAULT statement_timestamp())"
        ),
    }[table]


async def test_a_rival_waits_for_the_one_that_migrates_and_finds_nothing_left(
    connect: Connect, connection: Connection, gate: Connection, until_blocked: UntilBlocked, write: Write
) -> None:
    migrations = write(GATED, ("CREATE TABLE two (id int);", "DROP TABLE two;"))
    rival = await connect()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(migrate_up(connection, migrations))
        await until_blocked(connection)
        second = tasks.create_task(migrate_up(rival, migrations))
        await gate.execute("COMMIT")
    assert (first.result(), second.result()) == (list(migrations), [])


async def test_a_rival_without_patience_is_told_who_migrates(
    connect: Connect, connection: Connection, gate: Connection, until_blocked: UntilBlocked, write: Write
) -> None:
    migrations = write(GATED)
    rival = await connect()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(migrate_up(connection, migrations))
        await until_blocked(connection)
        with pytest.raises(MigrationsBusy, match=rf"process {os.getpid()} .* holds its lease until 20"):
            await migrate_up(rival, migrations, patience=NO_WAIT)
        await gate.execute("COMMIT")


async def test_no_lock_of_a_session_is_taken(
    connection: Connection, gate: Connection, until_blocked: UntilBlocked, write: Write
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(migrate_up(connection, write(GATED)))
        await until_blocked(connection)
        assert await gate.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        await gate.execute("COMMIT")


async def test_a_lease_that_runs_out_in_the_middle_of_a_migration_passes_to_nobody(
    connect: Connect,
    connection: Connection,
    gate: Connection,
    until_blocked: UntilBlocked,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migration_lease, "_DURATION", NO_WAIT)
    migrations = write(GATED)
    rival = await connect()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(migrate_up(connection, migrations))
        await until_blocked(connection)
        with pytest.raises(MigrationsBusy):
            await migrate_up(rival, migrations, patience=NO_WAIT)
        await gate.execute("COMMIT")
    assert first.result() == list(migrations)


@pytest.mark.parametrize("marker", ["", "-- gosynq:no-transaction\n"], ids=["inside", "outside"])
async def test_a_runner_whose_lease_was_taken_over_stops(connection: Connection, write: Write, marker: str) -> None:
    taking_over = "UPDATE gosynq.migration_lease SET owner = 'rival';"
    migrations = write((marker + taking_over, "SELECT;"), ("CREATE TABLE two ();", "SELECT;"))
    with pytest.raises(MigrationLeaseLost):
        await migrate_up(connection, migrations)
    assert await connection.fetchval("SELECT to_regclass('two') IS NULL")


async def test_a_migration_outside_of_a_transaction_has_an_hour(connection: Connection, write: Write) -> None:
    script = (
        "-- gosynq:no-transaction\nCREATE TABLE lease AS SELECT expires_at, renewed_at FROM gosynq.migration_lease;"
    )
    await migrate_up(connection, write((script, "SELECT;")))
    assert await connection.fetchval("SELECT expires_at - renewed_at FROM lease") == timedelta(hours=1)


async def test_a_lease_is_given_back_after_success_and_after_failure(
    connect: Connect, connection: Connection, write: Write
) -> None:
    with pytest.raises(MigrationFailed, match="division by zero"):
        await migrate_up(connection, write(("SELECT 1 / 0;", "SELECT;")))
    repaired = write(("SELECT 1;", "SELECT;"))
    assert await migrate_up(await connect(), repaired, patience=NO_WAIT) == list(repaired)
    assert await migrate_down(await connect(), repaired, to=0, patience=NO_WAIT) == list(repaired)


@pytest.fixture
def start_runner(empty_database_url: str, tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], int]]]:
    """Give a starter of processes that migrate; it returns the process and the id of its backend."""
    started: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], int]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(Path(__file__).with_name("runner.py")), empty_database_url, str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def test_a_runner_that_is_killed_leaves_nothing_and_is_replaced_when_its_lease_ends(
    connect: Connect,
    connection: Connection,
    gate: Connection,
    write: Write,
    start_runner: Callable[[], tuple[subprocess.Popen[str], int]],
) -> None:
    migrations = write(GATED)
    process, backend = await asyncio.to_thread(start_runner)
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", backend):
            pass
    process.kill()
    process.wait()
    await gate.execute("COMMIT")
    with pytest.raises(MigrationsBusy, match=f"process {process.pid} "):
        await migrate_up(connection, migrations, patience=NO_WAIT)
    async with asyncio.timeout(10):
        await expire_lease(connection)
    assert await migrate_up(connection, migrations) == list(migrations)


@pytest.mark.parametrize("marker", ["", "-- gosynq:no-transaction\n"], ids=["inside", "outside"])
async def test_a_connection_that_breaks_leaves_the_outcome_unknown(
    connection: Connection, gate: Connection, until_blocked: UntilBlocked, write: Write, marker: str
) -> None:
    async with asyncio.TaskGroup() as tasks:
        broken = tasks.create_task(_break_off(connection, write((f"{marker}SELECT FROM public.gate;", "SELECT;"))))
        await until_blocked(connection)
        await gate.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    assert str(broken.result()) == ("The database can't be reached; what was asked may or may not have been done.")


async def _break_off(connection: Connection, migrations: tuple[Migration, ...]) -> DatabaseUnavailable:
    with pytest.raises(DatabaseUnavailable) as refusal:
        await migrate_up(connection, migrations)
    return refusal.value
