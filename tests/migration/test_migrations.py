"""The schema brought forward and back, and what is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeAlias

import asyncpg
import pytest

from gosynq_server.store.migration_errors import (
    MigrationChanged,
    MigrationError,
    MigrationFailed,
    MigrationGap,
    MigrationRefused,
    MigrationVersionUnknown,
    SchemaTooNew,
)
from gosynq_server.store.migrations import (
    Migration,
    MigrationState,
    SchemaCheck,
    SchemaState,
    check_schema,
    migrate_down,
    migrate_up,
    migration_status,
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connect: TypeAlias = Callable[[], Awaitable[Connection]]
Write: TypeAlias = Callable[..., tuple[Migration, ...]]


async def tables(connection: Connection) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [row["tablename"] for row in rows]


async def recorded(connection: Connection) -> list[tuple[int, str]]:
    rows = await connection.fetch("SELECT version, checksum FROM gosynq.migrations ORDER BY version")
    return [(row["version"], row["checksum"]) for row in rows]


def marks(migrations: Sequence[Migration]) -> list[tuple[int, str]]:
    return [(migration.version, migration.checksum) for migration in migrations]


async def test_up_applies_all_in_order_and_records_them(connection: Connection, three: tuple[Migration, ...]) -> None:
    assert await migrate_up(connection, three) == list(three)
    assert await tables(connection) == ["one", "three", "two"]
    assert await recorded(connection) == marks(three)


async def test_up_again_does_nothing(connection: Connection, three: tuple[Migration, ...]) -> None:
    await migrate_up(connection, three)
    assert await migrate_up(connection, three) == []


async def test_up_and_down_go_to_a_version(connection: Connection, three: tuple[Migration, ...]) -> None:
    assert await migrate_up(connection, three, to=2) == list(three[:2])
    assert await migrate_up(connection, three) == [three[2]]
    assert await migrate_down(connection, three, to=1) == [three[2], three[1]]
    assert await tables(connection) == ["one"]
    assert await recorded(connection) == marks(three[:1])
    assert await migrate_down(connection, three, to=1) == []


async def test_down_to_nothing_and_up_again(connection: Connection, three: tuple[Migration, ...]) -> None:
    await migrate_up(connection, three)
    assert await migrate_down(connection, three, to=0) == list(three[::-1])
    assert await tables(connection) == []
    assert await migrate_up(connection, three) == list(three)


@pytest.mark.parametrize("version", [-1, 4])
async def test_a_version_that_does_not_exist_is_refused(
    connection: Connection, three: tuple[Migration, ...], version: int
) -> None:
    with pytest.raises(MigrationVersionUnknown, match=f"no schema version {version} to go to; .* knows 0 to 3"):
        await migrate_up(connection, three, to=version)
    with pytest.raises(MigrationVersionUnknown):
        await migrate_down(connection, three, to=version)


async def test_a_migration_that_fails_leaves_nothing_behind_and_those_before_it_stay(
    connection: Connection, write: Write
) -> None:
    migrations = write(
        ("CREATE TABLE one (id int);", "DROP TABLE one;"),
        ("CREATE TABLE two (id int); SELECT 1 / 0;", "DROP TABLE two;"),
    )
    with pytest.raises(MigrationFailed, match=r"Migration 2 \(step\) failed: division by zero"):
        await migrate_up(connection, migrations)
    assert await tables(connection) == ["one"]
    assert await recorded(connection) == marks(migrations[:1])
    repaired = write(("CREATE TABLE one (id int);", "SELECT;"), ("CREATE TABLE two (id int);", "SELECT;"))
    assert await migrate_up(connection, repaired) == [repaired[1]]


async def test_a_step_back_that_fails_stays_applied(connection: Connection, write: Write) -> None:
    migrations = write(("CREATE TABLE one (id int);", "DROP TABLE one; SELECT 1 / 0;"))
    await migrate_up(connection, migrations)
    with pytest.raises(MigrationFailed, match="division by zero"):
        await migrate_down(connection, migrations, to=0)
    assert await tables(connection) == ["one"]
    assert await recorded(connection) == marks(migrations)


CONCURRENTLY = "CREATE INDEX CONCURRENTLY quick ON one (id);"


async def test_an_index_is_built_concurrently_outside_of_a_transaction_only(
    connection: Connection, write: Write
) -> None:
    table = ("CREATE TABLE one (id int);", "DROP TABLE one;")
    with pytest.raises(MigrationFailed, match="cannot run inside a transaction block"):
        await migrate_up(connection, write(table, (CONCURRENTLY, "DROP INDEX quick;")))
    outside = write(table, (f"-- gosynq:no-transaction\n{CONCURRENTLY}", "DROP INDEX quick;"))
    assert await migrate_up(connection, outside) == [outside[1]]
    assert await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'quick'::regclass")


async def test_a_script_outside_of_a_transaction_that_fails_is_not_recorded(
    connection: Connection, write: Write
) -> None:
    with pytest.raises(MigrationFailed, match='relation "one" does not exist'):
        await migrate_up(connection, write((f"-- gosynq:no-transaction\n{CONCURRENTLY}", "SELECT;")))
    assert await recorded(connection) == []


async def test_a_database_newer_than_the_program_is_refused(
    connection: Connection, three: tuple[Migration, ...]
) -> None:
    await migrate_up(connection, three)
    with pytest.raises(SchemaTooNew, match="schema version 3 and this program knows only 2: run a newer program") as up:
        await migrate_up(connection, three[:2])
    assert up.value.metadata == {"found": "3", "known": "2"}
    with pytest.raises(SchemaTooNew):
        await migrate_down(connection, three[:2], to=0)
    assert await recorded(connection) == marks(three)


async def test_a_migration_changed_after_it_was_applied_is_refused(
    connection: Connection, three: tuple[Migration, ...]
) -> None:
    await migrate_up(connection, three[:2])
    changed = (three[0], dataclasses.replace(three[1], checksum="0" * 64), three[2])
    with pytest.raises(MigrationChanged, match=r"Migration 2 \(step\) was changed after it was applied"):
        await migrate_up(connection, changed)
    assert await tables(connection) == ["one", "two"]


async def test_a_gap_in_what_was_applied_is_refused(connection: Connection, three: tuple[Migration, ...]) -> None:
    await migrate_up(connection, three)
    await connection.execute("DELETE FROM gosynq.migrations WHERE version = 2")
    with pytest.raises(MigrationGap, match="Migration 2 is missing in the database"):
        await migrate_up(connection, three)


@pytest.mark.parametrize(
    ("applied", "known", "state"),
    [(0, 3, SchemaState.BEHIND), (2, 3, SchemaState.BEHIND), (3, 3, SchemaState.CURRENT), (3, 2, SchemaState.NEWER)],
)
async def test_a_check_tells_how_the_schema_stands_to_the_program(
    connection: Connection, three: tuple[Migration, ...], applied: int, known: int, state: SchemaState
) -> None:
    await migrate_up(connection, three, to=applied)
    assert await check_schema(connection, three[:known]) == SchemaCheck(state=state, found=applied, expected=known)


async def test_the_status_names_every_migration_that_files_or_database_know(
    connection: Connection, three: tuple[Migration, ...]
) -> None:
    await migrate_up(connection, three[:2])
    changed = (three[0], dataclasses.replace(three[1], checksum="0" * 64), three[2])
    statuses = await migration_status(connection, changed)
    assert [(status.version, status.name, status.state) for status in statuses] == [
        (1, "step", MigrationState.APPLIED),
        (2, "step", MigrationState.CHANGED),
        (3, "step", MigrationState.PENDING),
    ]
    now = await connection.fetchval("SELECT statement_timestamp()")
    assert statuses[0].applied_at is not None
    assert now - statuses[0].applied_at < timedelta(minutes=1)
    assert statuses[2].applied_at is None
    newer = await migration_status(connection, three[:1])
    assert [status.state for status in newer] == [MigrationState.APPLIED, MigrationState.UNKNOWN]


async def test_looking_changes_nothing(connection: Connection, three: tuple[Migration, ...]) -> None:
    await check_schema(connection, three)
    await migration_status(connection, three)
    await migrate_down(connection, three, to=0)
    assert await connection.fetchval("SELECT to_regnamespace('gosynq') IS NULL")


async def test_a_refusal_is_one_of_a_family(connection: Connection, three: tuple[Migration, ...]) -> None:
    with pytest.raises(MigrationError) as refusal:
        await migrate_up(connection, three, to=9)
    assert refusal.value.reason == "MIGRATION_REFUSED"


async def test_a_role_without_the_right_to_create_schemas_can_look(
    connection: Connection, three: tuple[Migration, ...]
) -> None:
    await migrate_up(connection, three)
    async with connection.transaction():
        await connection.execute("GRANT USAGE ON SCHEMA gosynq TO pg_monitor")
        await connection.execute("GRANT SELECT ON gosynq.migrations TO pg_monitor")
        await connection.execute("SET LOCAL ROLE pg_monitor")
        assert await migrate_up(connection, three) == []


async def test_a_role_that_may_not_create_is_told_so(connection: Connection, three: tuple[Migration, ...]) -> None:
    async with connection.transaction():
        await connection.execute("SET LOCAL ROLE pg_monitor")
        with pytest.raises(MigrationRefused, match="permission denied for database"):
            await migrate_up(connection, three)


async def test_something_else_of_the_bookkeepings_name_is_refused(
    connection: Connection, three: tuple[Migration, ...]
) -> None:
    await connection.execute("CREATE SCHEMA gosynq; CREATE TYPE gosynq.migration_lease AS ENUM ();")
    with pytest.raises(MigrationRefused, match='type "migration_lease" already exists'):
        await migrate_up(connection, three)
