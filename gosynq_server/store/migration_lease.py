"""The lease by which rival migration runners exclude each other: a row, so that it holds behind a pooler as well."""

from __future__ import annotations

import asyncio
import os
import socket
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store import statements
from gosynq_server.store.migration_errors import MigrationLeaseLost, MigrationsBusy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gosynq_server.store.connection import Connection

_DURATION = timedelta(seconds=30)
_UNHURRIED_DURATION = timedelta(hours=1)
_POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationLease:
    """The right to migrate, as long as it is renewed."""

    connection: Connection
    owner: str

    async def renew(self, *, unhurried: bool = False) -> None:
        """Extend the lease from now, by 30 s, or by an hour when `unhurried`; raise MigrationLeaseLost if it is gone.

        In a transaction this also locks the row, so that the lease cannot pass to another before the commit, however
        long the migration takes. Outside of one there is no such lock, hence the hour.
        """
        duration = _UNHURRIED_DURATION if unhurried else _DURATION
        kept = await self.connection.fetchval(statements.load("migrations_renew_lease"), self.owner, duration)
        if kept is None:
            raise MigrationLeaseLost


@asynccontextmanager
async def hold_migration_lease(connection: Connection, patience: timedelta) -> AsyncIterator[MigrationLease]:
    """Hold the lease inside the block, waiting for a rival to end; raise MigrationsBusy when patience runs out."""
    lease = MigrationLease(
        connection=connection, owner=f"{socket.gethostname()} process {os.getpid()} {uuid.uuid4().hex[:8]}"
    )
    await _acquire(lease, patience)
    try:
        yield lease
    finally:
        if not connection.is_closed():  # otherwise the lease runs out by itself
            await connection.execute(statements.load("migrations_release_lease"), lease.owner)


async def _acquire(lease: MigrationLease, patience: timedelta) -> None:
    deadline = time.monotonic() + patience.total_seconds()
    acquire = statements.load("migrations_acquire_lease")
    while await lease.connection.fetchval(acquire, lease.owner, _DURATION) is None:
        if time.monotonic() > deadline:
            rival = await lease.connection.fetchrow(statements.load("migrations_read_lease"))
            raise MigrationsBusy(**dict(rival or {"owner": "unknown", "expires_at": "unknown"}))
        await asyncio.sleep(_POLL)
