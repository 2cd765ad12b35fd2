"""The way to PostgreSQL: pooled connections without session state, and the driver's errors translated once."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

import asyncpg

from gosynq_server.domain.errors import DatabaseBusy, DatabaseUnavailable, GosynqError, StorageFull
from gosynq_server.store import statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from types import TracebackType

_BUSY = frozenset({"57014", "55P03", "40001", "40P01", "53200", "53400"})
_UNREACHABLE = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "53300", "25006", "3D000", "28000", "28P01"})
_FULL = frozenset({"53100", "58030"})

_WRONG_ARGUMENTS = "for this query"
"""What the driver says of a mistake of ours: it is none of the database's, and shows as a bug."""

_ACQUIRE_SECONDS = 5.0
_UNLIMITED = 2**62
_COMMAND_SECONDS = 15.0


class Executor(Protocol):
    """Where a named statement is run: the pool, or a transaction."""

    async def fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run a statement of store/sql and return its rows; raises GosynqError."""
        ...

    async def fetch_value(self, name: str, *arguments: object) -> Any:
        """Run a statement of store/sql and return the first column of its first row, or None."""
        ...


class StatelessConnection(asyncpg.Connection):
    """A connection that keeps no session state, and so has none to reset on its way back into the pool."""

    def get_reset_query(self) -> str:
        """Return what undoes a session's state: nothing."""
        return ""


class Transaction:
    """An open transaction on one connection."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        self._connection = connection

    async def fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run a statement and return its rows."""
        return await self._connection.fetch(statements.load(name), *arguments)

    async def fetch_value(self, name: str, *arguments: object) -> Any:
        """Run a statement and return the first column of its first row, or None."""
        return await self._connection.fetchval(statements.load(name), *arguments)


class Database:
    """A pool of at most pool_size connections, opened as they are needed: it can be made while there is no server.

    Every method raises DatabaseUnavailable where the outcome is unknown, DatabaseBusy where nothing was done, and
    StorageFull where there is no room.
    """

    def __init__(self, dsn: str, *, pool_size: int = 10, statement_cache_size: int = 200) -> None:
        self.dsn = dsn
        self._held = False
        self._pool = asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=pool_size,
            connection_class=StatelessConnection,
            command_timeout=_COMMAND_SECONDS,
            timeout=_ACQUIRE_SECONDS,
            statement_cache_size=statement_cache_size,
            max_cached_statement_lifetime=0,
            max_inactive_connection_lifetime=300,
            max_queries=_UNLIMITED,
            # Moments are stored in JSON too: elsewhere the first and the last years have offsets that nobody can read.
            server_settings={"timezone": "UTC"},
        )

    async def __aenter__(self) -> Self:
        """Make the pool ready; no connection is opened yet."""
        await self._pool
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection, those in use too."""
        self._pool.terminate()

    def hold(self) -> None:
        """Answer everything with DatabaseUnavailable until admitted: the schema is not known to be right."""
        self._held = True

    def admit(self) -> None:
        """Hold nothing back any more."""
        self._held = False

    async def fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run a statement by itself, committed when it returns, and return its rows."""
        async with self._connection() as connection:
            return await connection.fetch(statements.load(name), *arguments)

    async def fetch_value(self, name: str, *arguments: object) -> Any:
        """Run a statement by itself and return the first column of its first row, or None."""
        async with self._connection() as connection:
            return await connection.fetchval(statements.load(name), *arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction, committed at the end of the block and rolled back by any exception."""
        async with self._connection() as connection, connection.transaction():
            yield Transaction(connection)

    async def ping(self) -> None:
        """Ask the database for its time."""
        await self.fetch("database_time")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]:
        connection = await self._acquire()
        try:
            with _translated():
                yield connection
        except DatabaseUnavailable:
            with suppress(asyncpg.InterfaceError):  # the pool has let go of one that broke
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> asyncpg.pool.PoolConnectionProxy[asyncpg.Record]:
        if self._held:
            raise DatabaseUnavailable
        with _translated():
            try:
                return await self._pool.acquire(timeout=_ACQUIRE_SECONDS)
            except TimeoutError as error:
                raise DatabaseBusy from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into the domain's; what is no clean answer of the server leaves the outcome unknown."""
    try:
        yield
    except GosynqError:
        raise
    except asyncpg.PostgresError as error:
        translation = _translation(error)
        if translation is None:
            raise
        raise translation from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if _WRONG_ARGUMENTS in str(error):
            raise
        raise DatabaseUnavailable from error


def _met_new_partition(error: asyncpg.PostgresError) -> bool:
    """Say whether a row on its way into a default partition met the attachment of the one that it belongs to."""
    return isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None


def _translation(error: asyncpg.PostgresError) -> GosynqError | None:
    state = error.sqlstate or "08000"
    if state in _BUSY or _met_new_partition(error):
        return DatabaseBusy()
    if state in _FULL:
        return StorageFull()
    if state in _UNREACHABLE or state.startswith("08"):
        return DatabaseUnavailable()
    return None
