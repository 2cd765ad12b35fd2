"""The database to work on: the one that was given, or the embedded one for as long as it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gosynq_server.embedded.cluster import default_data_dir
from gosynq_server.embedded.supervisor import EmbeddedPostgres


@asynccontextmanager
async def given_or_embedded(url: str | None, data_dir: Path | None) -> AsyncIterator[str]:
    """Give the database's URL; without one the embedded database runs for the block, watched and restarted if it dies.

    data_dir None is the account's usual place. Raises an EmbeddedError that says what to do.
    """
    if url is not None:
        yield url
        return
    embedded = EmbeddedPostgres(data_dir=data_dir or default_data_dir())
    dsn = await embedded.start()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(embedded.run())
            try:
                yield dsn
            finally:
                await embedded.stop()
    finally:
        await embedded.stop()
