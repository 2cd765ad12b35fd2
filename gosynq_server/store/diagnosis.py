"""What a database server says about itself, for whoever has to say what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.store import statements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gosynq_server.store.connection import Connection

SETTINGS = (
    "autovacuum",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "fsync",
    "full_page_writes",
    "idle_in_transaction_session_timeout",
    "max_connections",
    "server_encoding",
    "statement_timeout",
    "superuser_reserved_connections",
    "synchronous_commit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A server's version (150004 is 15.4), role, clock, number of connected clients, and settings; times are in ms."""

    version: str
    version_number: int
    is_standby: bool
    server_time: datetime
    connections: int
    settings: Mapping[str, str]


async def diagnose(connection: Connection) -> Diagnosis:
    """Ask a server for all that there is to judge; changes nothing."""
    server = await connection.fetchrow(statements.load("diagnosis_server"))
    settings = await connection.fetch(statements.load("diagnosis_settings"), SETTINGS)
    return Diagnosis(**dict(server or {}), settings={row["name"]: row["setting"] for row in settings})
