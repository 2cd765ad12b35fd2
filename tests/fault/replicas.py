"""What makes one service of several processes: a PostgreSQL, and servers on it that are ended and come again."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from gosynq_server.embedded import EmbeddedPostgres
from tests.fault.conftest import Chronicle, Launch
from tests.fault.judging import POOL, stop
from tests.fault.servers import ServerProcess, free_port

_DAWDLE = """
    CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(random() * 0.05); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON gosynq.events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (random() < 0.03) EXECUTE FUNCTION public.dawdle()
"""


class SharedPostgres:
    """A running PostgreSQL, with a stranger's transaction that never ends and keeps its locks in another database."""

    def __init__(self, postgres: EmbeddedPostgres, url: str) -> None:
        self._postgres = postgres
        self.url = url
        self._stranger: asyncpg.Connection | None = None

    @classmethod
    @asynccontextmanager
    async def on(cls, data_dir: Path) -> AsyncIterator[SharedPostgres]:
        """Run one on a folder inside the block."""
        postgres = EmbeddedPostgres(data_dir=data_dir)
        try:
            shared = cls(postgres, await postgres.start())
            await shared._execute("CREATE DATABASE strange")
            await shared._begin_strange_transaction()
            yield shared
            assert shared._stranger is not None
            assert not shared._stranger.is_closed(), "the stranger's transaction did not last"
            await shared._stranger.close()
        finally:
            await postgres.stop()

    async def kill(self) -> None:
        """Kill it, and start it again."""
        assert self._postgres.pid is not None
        os.kill(self._postgres.pid, signal.SIGKILL)
        await self._postgres.stop()
        await self._postgres.start()
        await self._begin_strange_transaction()

    async def dawdle(self) -> None:
        """Have some commits of events take up to 50 ms, so that others overtake them."""
        await self._execute(_DAWDLE)

    async def _begin_strange_transaction(self) -> None:
        self._stranger = await asyncpg.connect(self.url, database="strange")
        await self._stranger.execute("BEGIN; CREATE TABLE letters (text text); INSERT INTO letters VALUES ('dear')")

    async def _execute(self, statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        await connection.execute(statements)
        await connection.close()


class Replica:
    """One of several servers on a database: it keeps its address however often it is ended."""

    def __init__(
        self, name: str, launch: Launch, chronicle: Chronicle, database_url: str, settings: Sequence[str] = POOL
    ) -> None:
        self._name = name
        self._launch = launch
        self._chronicle = chronicle
        self.address = f"127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self._command = ("serve", "--database-url", database_url, "--auto-migrate", "--grpc-port", port, *settings)
        self._server: ServerProcess | None = None

    def log(self) -> str:
        """Return all that it logged."""
        assert self._server is not None
        return self._server.log()

    async def start(self) -> None:
        """Start it and wait until it serves."""
        self._server = await (await self._launch(*self._command, log=self._name)).ready()

    async def kill(self) -> None:
        """Kill it, and start it again."""
        assert self._server is not None
        await self._server.kill()
        self._chronicle.journal.died(self._server.pid)
        await self.start()

    def freeze(self) -> None:
        assert self._server is not None
        self._server.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._server is not None
        self._server.signal(signal.SIGCONT)

    async def restart(self) -> None:
        """Stop it in order, and start it again."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """Stop it in order."""
        assert self._server is not None
        await stop(self._server)
