"""The SQL of the store, read from its files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """Read the statement of a name from `sql/<name>.sql`."""
    return (files("gosynq_server.store") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
