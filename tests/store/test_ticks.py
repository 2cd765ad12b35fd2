"""Ticks are one chain, however many make them, and go when what they lead to is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest

from gosynq_server.domain.event import Position
from gosynq_server.store import events
from gosynq_server.store.database import Database
from tests.service.house import Connection, until_blocked_by
from tests.store.telling import AT_ONCE, database_time, read_all, tell, tick, writers


async def _write_by_turns(connection: Connection, names: Sequence[str]) -> None:
    for name in names:
        async with connection.transaction():
            await tell(connection, name)


async def _tick_until(ended: asyncio.Event, connection: Connection) -> None:
    while not ended.is_set():
        await connection.fetch("SELECT * FROM gosynq.make_tick('0')")


async def test_rival_tickers_make_one_chain_in_which_each_tick_sees_what_the_one_before_saw(
    database: Database, database_url: str, sql: Connection
) -> None:
    begin = await events.oldest(database)
    written = [[f"{name}{number}" for number in range(40)] for name in "abc"]
    async with writers(database_url, 7) as connections, asyncio.TaskGroup() as tasks:
        ended = asyncio.Event()
        for connection in connections[3:]:
            tasks.create_task(_tick_until(ended, connection))
        async with asyncio.TaskGroup() as writing:
            for connection, names in zip(connections[:3], written, strict=True):
                writing.create_task(_write_by_turns(connection, names))
        ended.set()
    await tick(database)

    told = await read_all(database, begin)
    assert [[name for name in told if name in set(names)] for names in written] == written
    assert len(told) == 120
    ticks = await sql.fetch(
        "SELECT tick.id, tick.made_at, (SELECT count(*) FROM gosynq.events AS event"
        " WHERE pg_visible_in_snapshot(event.xid, tick.snapshot)) AS seen FROM gosynq.ticks AS tick ORDER BY tick.id"
    )
    assert len(ticks) > 10
    assert [tick["id"] for tick in ticks] == list(range(begin.tick, begin.tick + len(ticks)))
    assert all(before["seen"] < after["seen"] for before, after in pairwise(ticks))
    assert all(before["made_at"] <= after["made_at"] for before, after in pairwise(ticks))


async def test_no_tick_is_made_where_nothing_happened_or_the_last_one_is_young(
    database: Database, sql: Connection
) -> None:
    begin = await tick(database)
    await tell(sql, "a")
    assert await events.make_tick(database, min_age=timedelta(days=1)) == events.Ticked(end=begin, is_young=True)

    first = await tick(database)

    assert first.tick == begin.tick + 1
    assert await events.make_tick(database, min_age=AT_ONCE) == events.Ticked(end=first, is_young=False)
    await sql.execute("UPDATE gosynq.ticks SET made_at = made_at + interval '1 hour'")
    assert not (await events.make_tick(database, min_age=timedelta(minutes=1))).is_young


@asynccontextmanager
async def _overtaken_tick(
    database: Database, url: str, sql: Connection, *names: str
) -> AsyncIterator[asyncio.Task[Position]]:
    """Begin a tick that waits for a rival's, which does not see these events; it commits at the end of the block."""
    async with writers(url, 1) as (rival,), asyncio.TaskGroup() as tasks, rival.transaction():
        await rival.fetch("SELECT * FROM gosynq.make_tick('0')")
        if names:
            await tell(sql, *names)
        ticking = tasks.create_task(tick(database))
        await until_blocked_by(sql, rival.get_server_pid())
        yield ticking


async def test_a_forced_tick_that_a_rival_overtakes_sees_what_was_committed_before_it_nevertheless(
    database: Database, database_url: str, sql: Connection
) -> None:
    await tell(sql, "a")
    async with _overtaken_tick(database, database_url, sql, "b") as ticking:
        pass

    assert await read_all(database, ticking.result()) == []
    assert await read_all(database, await events.oldest(database)) == ["a", "b"]


async def test_a_reading_from_a_moment_misses_nothing_of_a_tick_that_was_long_in_the_making(
    database: Database, database_url: str, sql: Connection
) -> None:
    await tell(sql, "a")
    async with _overtaken_tick(database, database_url, sql) as ticking:
        moment = await database_time(sql)
        await tell(sql, "b")
    assert await read_all(database, ticking.result()) == []

    assert "b" in await read_all(database, await events.begin_of(database, moment))


async def test_a_reading_from_any_moment_gives_everything_from_then_on(database: Database, sql: Connection) -> None:
    for number in range(12):
        await tell(sql, str(number))
        if number % 3 == 0:
            await tick(database)
    await tick(database)
    moments = await sql.fetch("SELECT occurred_at FROM gosynq.events ORDER BY id")
    for number, row in enumerate(moments):
        names = await read_all(database, await events.begin_of(database, row["occurred_at"]))
        assert names[-12 + number :] == [str(rest) for rest in range(number, 12)]
        assert len(names) <= 12 - number + 3

    first, last = moments[0]["occurred_at"], moments[-1]["occurred_at"]
    assert await events.begin_of(database, first - timedelta(days=9)) == await events.oldest(database)
    assert await read_all(database, await events.begin_of(database, last + timedelta(days=9))) == []


async def _five_ticks_of_which_are_old(database: Database, sql: Connection, old: int) -> list[Position]:
    """Make five ticks behind an event each, some of them and the very first made long ago."""
    ends = []
    for number in range(5):
        await tell(sql, str(number))
        ends.append(await tick(database))
    await sql.execute(
        "UPDATE gosynq.ticks SET made_at = made_at - interval '8 days' WHERE id <= $1", ends[old - 1].tick
    )
    return ends


async def _prune(database: Database, sql: Connection, *, limit: int = 10, late: timedelta = AT_ONCE) -> int:
    before = (await database_time(sql)).date() - timedelta(days=6)
    return await events.prune_ticks(database, before=before, late=late, limit=limit)


async def test_old_ticks_are_pruned_in_order_up_to_the_last_of_them(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 3)

    assert await _prune(database, sql, limit=2) == 2
    assert (await events.oldest(database)).tick == ends[0].tick + 1
    assert await _prune(database, sql) == 1
    assert await _prune(database, sql) == 0
    assert (await events.oldest(database)).tick == ends[2].tick
    assert await read_all(database, await events.oldest(database)) == ["3", "4"]


async def test_the_last_tick_of_all_stays_however_old(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 5)

    await _prune(database, sql)

    assert (await events.oldest(database)).tick == ends[4].tick
    await tell(sql, "later")
    await tick(database)
    assert await _prune(database, sql) == 0
    assert await read_all(database, await events.oldest(database)) == ["later"]


async def test_an_old_tick_goes_where_events_behind_it_go(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 3)
    await sql.execute("UPDATE gosynq.events SET day = day - 8 WHERE kinds = ARRAY['3']")

    await _prune(database, sql)

    assert (await events.oldest(database)).tick == ends[3].tick


async def test_ticks_are_made_one_after_the_other_where_the_clock_was_set_back_too(
    database: Database, sql: Connection
) -> None:
    await tell(sql, "a")
    before = await tick(database)
    await sql.execute("UPDATE gosynq.ticks SET made_at = made_at + interval '1 hour' WHERE id = $1", before.tick)
    await tell(sql, "b")

    await tick(database)

    assert (
        await sql.fetchval("SELECT max(made_at) - min(made_at) FROM gosynq.ticks WHERE id >= $1", before.tick)
        == AT_ONCE
    )


@pytest.mark.parametrize("left", ["of a cluster that was ahead", "no tick at all"])
async def test_a_dump_from_another_cluster_does_not_keep_events_from_being_told(
    database: Database, sql: Connection, left: str
) -> None:
    await tell(sql, "before")
    old = await tick(database)
    await sql.execute("UPDATE gosynq.events SET xid = '99999999999'")
    if left == "no tick at all":
        await sql.execute("DELETE FROM gosynq.ticks")
    else:
        await sql.execute("UPDATE gosynq.ticks SET snapshot = '99999999999:99999999999:'")

    begin = await tick(database)
    await tell(sql, "after")
    await tick(database)

    assert await read_all(database, begin) == ["after"]
    assert await events.known(database, old) is False
