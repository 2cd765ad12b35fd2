"""What the files and the database's memory of them add up to: judged here, done in `migrations`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gosynq_server.store.migration_errors import (
    MigrationChanged,
    MigrationGap,
    MigrationVersionUnknown,
    SchemaTooNew,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gosynq_server.store.migration_files import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedMigration:
    """A migration as the database remembers it."""

    version: int
    name: str
    checksum: str
    applied_at: datetime


class MigrationState(Enum):
    """How a migration's file and the database stand to each other."""

    APPLIED = "applied"
    PENDING = "pending"
    CHANGED = "changed"
    """Applied, and its file was changed afterwards."""
    UNKNOWN = "unknown"
    """Applied by a newer program; there is no file for it here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """One line of the status: `applied_at` is None for a pending migration."""

    version: int
    name: str
    state: MigrationState
    applied_at: datetime | None


class SchemaState(Enum):
    """How the database's schema stands to this program."""

    CURRENT = "current"
    BEHIND = "behind"
    NEWER = "newer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaCheck:
    """The schema's version in the database (0: none) beside the one this program was written for."""

    state: SchemaState
    found: int
    expected: int


def target_version(migrations: Sequence[Migration], to: int | None) -> int:
    """Give the version to go to, the last by default; raise MigrationVersionUnknown if there is no such."""
    if to is not None and not 0 <= to <= len(migrations):
        raise MigrationVersionUnknown(version=to, known=len(migrations))
    return len(migrations) if to is None else to


def pending(applied: Sequence[AppliedMigration], migrations: Sequence[Migration], target: int) -> list[Migration]:
    """Give what is to be applied to reach a version, in order; raise as `verify` does."""
    verify(applied, migrations)
    return list(migrations[len(applied) : target])


def revertible(applied: Sequence[AppliedMigration], migrations: Sequence[Migration], target: int) -> list[Migration]:
    """Give what is to be taken back to reach a version, newest first; raise as `verify` does."""
    verify(applied, migrations)
    return list(migrations[target : len(applied)])[::-1]


def verify(applied: Sequence[AppliedMigration], migrations: Sequence[Migration]) -> None:
    """Raise SchemaTooNew, MigrationGap or MigrationChanged unless what was applied is how the files begin."""
    if applied and applied[-1].version > len(migrations):
        raise SchemaTooNew(found=applied[-1].version, known=len(migrations))
    for expected, row in enumerate(applied, start=1):
        if row.version != expected:
            raise MigrationGap(version=expected, place="in the database")
        if row.checksum != migrations[expected - 1].checksum:
            raise MigrationChanged(version=row.version, name=row.name)


def statuses(applied: Sequence[AppliedMigration], migrations: Sequence[Migration]) -> list[MigrationStatus]:
    """List all migrations that the files or the database know, oldest first."""
    checksums = {migration.version: migration.checksum for migration in migrations}
    done = [
        MigrationStatus(
            version=row.version,
            name=row.name,
            state=_state(row.checksum, checksums.get(row.version)),
            applied_at=row.applied_at,
        )
        for row in applied
    ]
    ahead = [
        MigrationStatus(version=migration.version, name=migration.name, state=MigrationState.PENDING, applied_at=None)
        for migration in migrations
        if migration.version not in {row.version for row in applied}
    ]
    return sorted([*done, *ahead], key=lambda status: status.version)


def check(applied: Sequence[AppliedMigration], migrations: Sequence[Migration]) -> SchemaCheck:
    """Compare the schema's version in the database with the last of the files."""
    found = max((row.version for row in applied), default=0)
    expected = len(migrations)
    if found == expected:
        return SchemaCheck(state=SchemaState.CURRENT, found=found, expected=expected)
    state = SchemaState.BEHIND if found < expected else SchemaState.NEWER
    return SchemaCheck(state=state, found=found, expected=expected)


def _state(applied: str, known: str | None) -> MigrationState:
    if known is None:
        return MigrationState.UNKNOWN
    return MigrationState.APPLIED if applied == known else MigrationState.CHANGED
