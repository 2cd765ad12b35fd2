"""What a database holds of ours, read from PostgreSQL's catalogues so that two databases can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

Catalogue: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""The rows of each section; the first column of a row names its object."""

_BOOKKEEPING = {f"gosynq.{table}{suffix}" for table in ("migrations", "migration_lease") for suffix in ("", "_pkey")}


async def read_catalogue(connection: asyncpg.Connection[asyncpg.Record]) -> Catalogue:
    """Read everything that migrations can make, in any schema, except what their runner keeps for itself."""
    return {
        path.stem: await _read_section(connection, path.read_text(encoding="utf-8"))
        for path in sorted(Path(__file__).with_name("sql").glob("*.sql"))
    }


async def _read_section(connection: asyncpg.Connection[asyncpg.Record], statement: str) -> list[tuple[Any, ...]]:
    rows = [tuple(row) for row in await connection.fetch(statement)]
    return sorted((row for row in rows if row[0] not in _BOOKKEEPING), key=repr)
