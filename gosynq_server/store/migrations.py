"""Bring the database's schema forward and back, and say where it stands."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg

from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.store import migration_plan, statements
from gosynq_server.store.migration_errors import MigrationFailed, MigrationRefused
from gosynq_server.store.migration_files import (
    Migration,
    find_migrations_folder,
    load_migrations,
    runs_in_transaction,
)
from gosynq_server.store.migration_lease import hold_migration_lease
from gosynq_server.store.migration_plan import (
    AppliedMigration,
    MigrationState,
    MigrationStatus,
    SchemaCheck,
    SchemaState,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from gosynq_server.store.connection import Connection
    from gosynq_server.store.migration_lease import MigrationLease

__all__ = [
    "AppliedMigration",
    "Migration",
    "MigrationState",
    "MigrationStatus",
    "SchemaCheck",
    "SchemaState",
    "check_schema",
    "find_migrations_folder",
    "load_migrations",
    "migrate_down",
    "migrate_up",
    "migration_status",
]

_PATIENCE = timedelta(minutes=5)
_CREATION_ATTEMPTS = 10
_CREATION = (
    "migrations_create_schema",
    "migrations_create_lease",
    "migrations_insert_lease",
    "migrations_create_table",
)
# IF NOT EXISTS looks first and inserts into the catalogue later; a rival that was faster shows as one of these.
_CREATED_BY_RIVAL = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateSchemaError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
)


async def migrate_up(
    connection: Connection, migrations: Sequence[Migration], *, to: int | None = None, patience: timedelta = _PATIENCE
) -> list[Migration]:
    """Apply what is pending, up to and including version `to` (all by default), and return what was applied.

    A rival is waited for as long as `patience`. A migration that fails leaves nothing behind, and those before it stay.
    Raises SchemaTooNew, MigrationChanged, MigrationGap, MigrationVersionUnknown, MigrationFailed, MigrationsBusy,
    MigrationLeaseLost or MigrationRefused, and DatabaseUnavailable where the connection broke.
    """
    target = migration_plan.target_version(migrations, to)
    with _translated(connection):
        if not migration_plan.pending(await _read_applied(connection), migrations, target):
            return []
        await _create_bookkeeping(connection)
        async with hold_migration_lease(connection, patience) as lease:
            pending = migration_plan.pending(await _read_applied(connection), migrations, target)
            for migration in pending:
                await _apply(lease, migration)
            return pending


async def migrate_down(
    connection: Connection, migrations: Sequence[Migration], *, to: int, patience: timedelta = _PATIENCE
) -> list[Migration]:
    """Take back all that was applied after version `to` (0: everything), newest first, and return what was taken back.

    Waits and raises as `migrate_up` does.
    """
    target = migration_plan.target_version(migrations, to)
    with _translated(connection):
        if not migration_plan.revertible(await _read_applied(connection), migrations, target):
            return []
        async with hold_migration_lease(connection, patience) as lease:
            revertible = migration_plan.revertible(await _read_applied(connection), migrations, target)
            for migration in revertible:
                await _revert(lease, migration)
            return revertible


async def migration_status(connection: Connection, migrations: Sequence[Migration]) -> list[MigrationStatus]:
    """List all migrations that the files or the database know, oldest first; changes nothing."""
    with _translated(connection):
        return migration_plan.statuses(await _read_applied(connection), migrations)


async def check_schema(connection: Connection, migrations: Sequence[Migration]) -> SchemaCheck:
    """Tell whether the database's schema is the one of these migrations; changes nothing."""
    with _translated(connection):
        return migration_plan.check(await _read_applied(connection), migrations)


@contextmanager
def _translated(connection: Connection) -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if connection.is_closed():
            raise DatabaseUnavailable from error
        raise MigrationRefused(problem=error) from error


async def _apply(lease: MigrationLease, migration: Migration) -> None:
    async with _step(lease, migration, migration.up) as connection:
        await connection.execute(
            statements.load("migrations_record"), migration.version, migration.name, migration.checksum
        )


async def _revert(lease: MigrationLease, migration: Migration) -> None:
    async with _step(lease, migration, migration.down) as connection:
        await connection.execute(statements.load("migrations_forget"), migration.version)


@asynccontextmanager
async def _step(lease: MigrationLease, migration: Migration, script: str) -> AsyncIterator[Connection]:
    in_transaction = runs_in_transaction(script)
    try:
        async with lease.connection.transaction() if in_transaction else nullcontext():
            await lease.renew(unhurried=not in_transaction)
            await lease.connection.execute(script)
            yield lease.connection
            await lease.renew()
    except asyncpg.PostgresError as error:
        if lease.connection.is_closed():
            raise
        raise MigrationFailed(version=migration.version, name=migration.name, problem=error) from error


async def _read_applied(connection: Connection) -> list[AppliedMigration]:
    if not await connection.fetchval(statements.load("migrations_exist")):
        return []
    return [AppliedMigration(**dict(row)) for row in await connection.fetch(statements.load("migrations_list"))]


async def _create_bookkeeping(connection: Connection) -> None:
    if await connection.fetchval(statements.load("migrations_exist")):
        return  # creating asks for rights that a runner need not have where all is there
    for name in _CREATION:
        await _create(connection, statements.load(name))


async def _create(connection: Connection, statement: str) -> None:
    for _ in range(_CREATION_ATTEMPTS - 1):
        try:
            await connection.execute(statement)
        except _CREATED_BY_RIVAL:
            continue
        return
    await connection.execute(statement)
