"""Servers that fire schedules, killed while they do: each due time fires once, whoever is there."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import asyncpg
import pytest

from gosynq_server.service.wakeups import Signal
from tests.fault.conftest import Launch
from tests.fault.judging import SETTINGS, stop
from tests.fault.servers import PATIENCE

_SCHEDULES = 400
_KILLS = 2
_SECOND = timedelta(seconds=1)
_CREATE = """
INSERT INTO gosynq.schedules (
    id, description, every, time_zone, overlap_policy, catch_up_policy, jitter, queue, kind, content_type, payload,
    settings, created_at, updated_at, next_run_at, look_at
)
SELECT
    's-' || n, '', '1 second', '', 'allow', 'all', '0', 'q-' || n % 5, 'k', 'application/json', '{}',
    '{}', statement_timestamp(), statement_timestamp(), statement_timestamp() + interval '1 second',
    statement_timestamp() + interval '1 second'
FROM generate_series(1, $1) AS n
"""
_FIRED = """
SELECT schedule_id, count(*) AS fired, min(run_at) AS first, max(run_at) AS last
FROM gosynq.jobs
GROUP BY schedule_id
"""


@pytest.mark.timeout(120)
async def test_every_due_time_fires_once_over_kills_of_servers(
    launch: Launch, database_url: str, random: Random
) -> None:
    command = ("serve", "--database-url", database_url, *SETTINGS)
    sql, ticked = await asyncpg.connect(database_url), Signal()
    servers = [await launch(*command, log=f"server-{number}") for number in range(2)]
    for server in servers:
        await server.ready()
    await sql.add_listener("gosynq_ticks", lambda *_: ticked.set())
    await sql.execute(_CREATE, _SCHEDULES)
    for number in range(_KILLS):
        await _until_fired_more(sql, ticked, random.randrange(1, 2 * _SCHEDULES))
        await servers.pop(0).kill()
        servers.append(await launch(*command, log=f"server-{number + 2}"))
    await _until_fired_more(sql, ticked, _SCHEDULES)
    await sql.execute("UPDATE gosynq.schedules SET paused = true, next_run_at = NULL, look_at = NULL")
    for server in servers:
        await server.ready()
        await stop(server)

    rows = await sql.fetch(_FIRED)
    ends = {row["id"]: row for row in await sql.fetch("SELECT id, created_at, last_run_at FROM gosynq.schedules")}
    await sql.close()
    assert len(rows) == _SCHEDULES
    for row in rows:
        assert row["fired"] == (row["last"] - row["first"]) // _SECOND + 1, "a due time is missing, or there twice"
        schedule = ends[row["schedule_id"]]
        assert (row["first"], row["last"]) == (schedule["created_at"] + _SECOND, schedule["last_run_at"])


async def _until_fired_more(sql: asyncpg.Connection[asyncpg.Record], ticked: Signal, count: int) -> None:
    enough = await sql.fetchval("SELECT count(*) FROM gosynq.jobs") + count
    async with asyncio.timeout(PATIENCE):
        while await sql.fetchval("SELECT count(*) FROM gosynq.jobs") < enough:
            await ticked.wait(PATIENCE)
