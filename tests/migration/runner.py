"""A process that migrates: the database's URL and the folder of migrations are its arguments."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncpg

from gosynq_server.store.migrations import load_migrations, migrate_up


async def migrate(url: str, folder: Path) -> None:
    connection = await asyncpg.connect(url)
    sys.stdout.write(f"{connection.get_server_pid()}\n")
    sys.stdout.flush()
    await migrate_up(connection, load_migrations(folder))


if __name__ == "__main__":
    asyncio.run(migrate(sys.argv[1], Path(sys.argv[2])))
