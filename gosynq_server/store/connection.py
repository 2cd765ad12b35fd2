"""One connection by itself, for what is done by hand: migrating, and finding out what is wrong."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from gosynq_server.domain.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

_CONNECT_SECONDS = 10.0


class DatabaseUnreachable(DatabaseUnavailable):
    """The database can't be reached: {problem}."""


@asynccontextmanager
async def open_connection(database_url: str) -> AsyncIterator[Connection]:
    """Open a connection for the block; raise DatabaseUnreachable, which says why, if there is none to be had."""
    connection = await _connect(database_url)
    try:
        yield connection
    finally:
        connection.terminate()


async def _connect(database_url: str) -> Connection:
    try:
        return await asyncpg.connect(database_url, timeout=_CONNECT_SECONDS)
    except TimeoutError as error:
        raise DatabaseUnreachable(problem=f"no answer within {_CONNECT_SECONDS:g} s") from error
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnreachable(problem=str(error) or type(error).__name__) from error
