"""Rows of events, written, ticked and read without any jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta

import asyncpg

from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.store import events
from gosynq_server.store.database import Database
from tests.service.house import Connection

EVERYTHING = EventFilter()
AT_ONCE = timedelta()
JOB = "0195e7a4-5a5a-7000-8000-000000000001"


@asynccontextmanager
async def writers(url: str, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(await asyncpg.connect(url))
            stack.push_async_callback(connections[-1].close)
        yield connections


async def tell(connection: Connection, *names: str, queue: str = "q", type_: str = "created", job: str = JOB) -> None:
    """Write a row of events, named by their kinds."""
    await connection.execute(
        "INSERT INTO gosynq.events (type, queue, status, job_ids, kinds, priorities, attempts, revisions)"
        " SELECT $1, $2, 'pending', array_agg($4::uuid), $3::text [], array_agg(2), array_agg(0), array_agg(1)"
        " FROM unnest($3::text []) AS told (name)",
        type_,
        queue,
        list(names),
        job,
    )


async def tick(database: Database) -> Position:
    return (await events.make_tick(database, min_age=AT_ONCE)).end


async def read_all(
    database: Database, position: Position, wanted: EventFilter = EVERYTHING, *, limit: int = 200
) -> list[str]:
    """Read from a position to the end of what ticks see; name the events."""
    names: list[str] = []
    while True:
        stretch = await events.read(database, position, wanted, limit=limit)
        assert len(stretch.rows) <= limit
        names += [name for row in stretch.rows for name in row.kinds]
        if stretch.end == position:
            return names
        assert stretch.end > position
        position = stretch.end


async def database_time(sql: Connection) -> datetime:
    now: datetime = await sql.fetchval("SELECT clock_timestamp()")
    return now
