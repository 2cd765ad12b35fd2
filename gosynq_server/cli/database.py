"""The database that a command works on by itself: the one of the URL, or the embedded one for as long as it takes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gosynq_server.config import Config
    from gosynq_server.store.connection import Connection


@asynccontextmanager
async def database(config: Config) -> AsyncIterator[str]:
    """Give the database's URL; without one configured the embedded database runs for the block."""
    from gosynq_server.embedded import given_or_embedded  # noqa: PLC0415 - --help shall not wait for the server

    async with given_or_embedded(config.database_url, config.data_dir) as url:
        yield url


@asynccontextmanager
async def connection(config: Config) -> AsyncIterator[Connection]:
    """Give a connection to the database."""
    from gosynq_server.store.connection import open_connection  # noqa: PLC0415 - as above

    async with database(config) as url, open_connection(url) as opened:
        yield opened
