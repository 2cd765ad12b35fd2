"""The schema before anything else: the server waits for the database and goes on only with the schema that it knows."""

from __future__ import annotations

import asyncio
import logging
from typing import assert_never

from gosynq_server.domain.errors import DatabaseUnavailable, GosynqError
from gosynq_server.store import migrations
from gosynq_server.store.connection import open_connection
from gosynq_server.store.migrations import SchemaState

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


class SchemaBehind(GosynqError):
    """The database's schema is at version {found}, this server needs {needed}: run gosynq migrate up."""


class SchemaNewer(GosynqError):
    """The database's schema is at version {found}, this server knows {needed} at most: run a newer gosynq."""


async def ensure_schema(database_url: str, *, migrate: bool) -> None:
    """Wait for the database; bring its schema up, or raise SchemaBehind or SchemaNewer where it is not this one's."""
    while True:
        try:
            return await _ensure_once(database_url, migrate=migrate)
        except DatabaseUnavailable as error:
            _log.warning("the database can't be reached; trying again", extra={"error": str(error)})
        await asyncio.sleep(_RETRY_SECONDS)


async def _ensure_once(database_url: str, *, migrate: bool) -> None:
    known = migrations.load_migrations(migrations.find_migrations_folder())
    async with open_connection(database_url) as connection:
        if migrate:
            await migrations.migrate_up(connection, known)
            return
        check = await migrations.check_schema(connection, known)
    match check.state:
        case SchemaState.CURRENT:
            return
        case SchemaState.BEHIND:
            raise SchemaBehind(found=check.found, needed=check.expected)
        case SchemaState.NEWER:
            raise SchemaNewer(found=check.found, needed=check.expected)
        case _:
            assert_never(check.state)
