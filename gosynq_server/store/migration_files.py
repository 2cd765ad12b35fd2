"""Migrations as they lie on disk: numbered pairs of plain SQL files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.store.migration_errors import MigrationFileInvalid, MigrationGap, MigrationsMissing

_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.up\.sql")
_NO_STATEMENT = re.compile(r"--[^\n]*|/\*.*?\*/|[\s;]", re.DOTALL)
_NO_TRANSACTION = "-- gosynq:no-transaction"
_PACKAGED = Path(__file__).parent.parent / "migrations"
_IN_REPOSITORY = Path(__file__).parent.parent.parent / "migrations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema: `up` makes it, `down` takes it back; `checksum` is the SHA-256 of `up`, in hex."""

    version: int
    name: str
    checksum: str
    up: str
    down: str


def runs_in_transaction(sql: str) -> bool:
    """Tell whether a script runs in one transaction with its record.

    One that begins with the line `-- gosynq:no-transaction` (for an index built concurrently) does not. It must hold
    one statement only, and bear being run again: a crash can fall between the statement and its record.
    """
    return sql.split("\n", 1)[0].rstrip() != _NO_TRANSACTION


def find_migrations_folder() -> Path:
    """Give the folder packaged with the server, else the repository's; raise MigrationsMissing without either."""
    for folder in (_PACKAGED, _IN_REPOSITORY):
        if folder.is_dir():
            return folder
    raise MigrationsMissing(places=f"{_PACKAGED} or {_IN_REPOSITORY}")


def load_migrations(folder: Path) -> tuple[Migration, ...]:
    """Read the migrations of a folder (NNNN_name.up.sql with .down.sql), in order.

    Raises MigrationFileInvalid for a wrong name, a missing or empty half or a number used twice, and MigrationGap for a
    number left out.
    """
    migrations = tuple(_load(path) for path in sorted(folder.glob("*.up.sql")))
    for path in folder.glob("*.down.sql"):
        if not _other_half(path, "up").exists():
            raise MigrationFileInvalid(file=path, problem="its .up.sql is missing")
    for expected, migration in enumerate(migrations, start=1):
        if migration.version < expected:
            problem = f"the number {migration.version} is not free"
            raise MigrationFileInvalid(file=f"{migration.version:04}_{migration.name}.up.sql", problem=problem)
        if migration.version > expected:
            raise MigrationGap(version=expected, place=f"in {folder}")
    return migrations


def _load(path: Path) -> Migration:
    parts = _NAME.fullmatch(path.name)
    if parts is None:
        raise MigrationFileInvalid(file=path, problem="its name is not NNNN_name.up.sql")
    down = _other_half(path, "down")
    if not down.exists():
        raise MigrationFileInvalid(file=path, problem="its .down.sql is missing")
    up = _read(path)
    return Migration(
        version=int(parts["version"]),
        name=parts["name"],
        checksum=hashlib.sha256(up.encode()).hexdigest(),
        up=up,
        down=_read(down),
    )


def _read(path: Path) -> str:
    sql = path.read_text(encoding="utf-8")
    if not _NO_STATEMENT.sub("", sql):
        raise MigrationFileInvalid(file=path, problem="it holds no statement (SELECT is one that does nothing)")
    return sql


def _other_half(path: Path, way: str) -> Path:
    return path.with_name(f"{path.name.split('.', 1)[0]}.{way}.sql")
