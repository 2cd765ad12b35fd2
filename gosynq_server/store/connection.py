"""One connection by itself, for what is done by hand: migrating, and finding out what is wrong."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from gosynq_server.domain.errors import DatabaseUnavailable, GosynqError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

_CONNECT_SECONDS = 10.0


class DatabaseUnreachable(DatabaseUnavailable):
    """The database can't be reached: {problem}."""


class DatabaseUrlUnusable(GosynqError):
    """database_url can't be used: {problem}."""


@asynccontextmanager
async def open_connection(database_url: str) -> AsyncIterator[Connection]:
    """Open a connection for the block.

    Raises DatabaseUnreachable, which says why, if there is none to be had, and DatabaseUrlUnusable if there never will.
    """
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
    except asyncpg.ClientConfigurationError as error:
        raise DatabaseUrlUnusable(problem=error) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseUnreachable(problem=str(error) or type(error).__name__) from error
    except (ValueError, OverflowError, LookupError) as error:
        # The driver's own words could hold a part of the password, where it took the URL apart wrongly.
        problem = f"the driver can't read it, or the PG variables of the environment ({type(error).__name__})"
        raise DatabaseUrlUnusable(problem=problem) from None
