"""Ticks give all events one order, whatever order they are committed in and however many make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import asyncpg
import pytest

from gosynq_server.domain.errors import CursorExpired, CursorInvalid
from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.store import events
from gosynq_server.store.database import Database
from tests.service.house import Connection, until_blocked_by

EVERYTHING = EventFilter()
AT_ONCE = timedelta()
JOB = "0195e7a4-5a5a-7000-8000-000000000001"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def _writers(url: str, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(count):
            connections.append(await asyncpg.connect(url))
            stack.push_async_callback(connections[-1].close)
        yield connections


async def _tell(connection: Connection, *names: str, queue: str = "q", type_: str = "created", job: str = JOB) -> None:
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


async def _tick(database: Database) -> Position:
    return (await events.make_tick(database, min_age=AT_ONCE)).end


async def _read_all(
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


async def test_a_tick_holds_what_was_committed_before_it_and_the_next_one_the_rest(
    database: Database, database_url: str
) -> None:
    begin = await events.oldest(database)
    async with _writers(database_url, 2) as (slow, fast):
        transaction = slow.transaction()
        await transaction.start()
        await _tell(slow, "a1")
        await _tell(fast, "b1")
        first = await _tick(database)
        await _tell(slow, "a2")
        await _tell(fast, "b2")
        second = await _tick(database)
        assert await _read_all(database, begin) == ["b1", "b2"]
        await transaction.commit()
        await _tell(fast, "b3")
        third = await _tick(database)

    assert [first.tick, second.tick, third.tick] == [begin.tick + n for n in (1, 2, 3)]
    assert await _read_all(database, begin) == ["b1", "b2", "a1", "a2", "b3"]
    assert await _read_all(database, second) == ["a1", "a2", "b3"]
    assert await _read_all(database, third) == []


async def test_what_is_rolled_back_wholly_or_to_a_savepoint_is_no_event(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    whole = sql.transaction()
    await whole.start()
    await _tell(sql, "never")
    await whole.rollback()
    async with sql.transaction():
        savepoint = sql.transaction()
        await savepoint.start()
        await _tell(sql, "undone")
        await savepoint.rollback()
        async with sql.transaction():
            await _tell(sql, "kept")
        assert await _tick(database) == begin

    await _tick(database)

    assert await _read_all(database, begin) == ["kept"]


@dataclass(slots=True)
class _Reader:
    """Reads a little now and then, as a watcher would."""

    position: Position
    names: list[str] = field(default_factory=list)

    async def read(self, database: Database, limit: int) -> None:
        stretch = await events.read(database, self.position, EVERYTHING, limit=limit)
        self.names += [name for row in stretch.rows for name in row.kinds]
        self.position = stretch.end


@dataclass(slots=True)
class _Writer:
    """Writes in transactions of any length, most of which are kept."""

    connection: Connection
    random: Random
    transaction: asyncpg.transaction.Transaction | None = None
    open_names: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    async def write(self, *names: str) -> None:
        if self.transaction is None:
            self.transaction = self.connection.transaction()
            await self.transaction.start()
        await _tell(self.connection, *names)
        self.open_names += names

    async def end(self) -> None:
        if self.transaction is None:
            return
        if self.random.random() < 0.8:
            await self.transaction.commit()
            self.kept += self.open_names
        else:
            await self.transaction.rollback()
        self.transaction, self.open_names = None, []


@pytest.mark.parametrize("seed", range(4))
async def test_whoever_reads_at_whatever_pace_sees_one_order(database: Database, database_url: str, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    begin = await events.oldest(database)
    readers = [_Reader(begin) for _ in range(3)]
    async with _writers(database_url, 5) as connections:
        writers = [_Writer(connection, random) for connection in connections]
        for step in range(150):
            match random.choice(["write", "write", "end", "tick", "read", "read"]):
                case "write":
                    await random.choice(writers).write(f"{step}.0", f"{step}.1")
                case "end":
                    await random.choice(writers).end()
                case "tick":
                    await _tick(database)
                case _:
                    await random.choice(readers).read(database, random.choice([1, 2, 200]))
        for writer in writers:
            await writer.end()
    await _tick(database)

    whole = await _read_all(database, begin)
    assert sorted(whole) == sorted(name for writer in writers for name in writer.kept)
    assert [await _read_all(database, begin, limit=limit) for limit in (1, 2, 3, 7)] == [whole] * 4
    assert [reader.names + await _read_all(database, reader.position) for reader in readers] == [whole] * 3


async def _write_by_turns(connection: Connection, names: Sequence[str]) -> None:
    for name in names:
        async with connection.transaction():
            await _tell(connection, name)


async def _tick_until(ended: asyncio.Event, connection: Connection) -> None:
    while not ended.is_set():
        await connection.fetch("SELECT * FROM gosynq.make_tick('0')")


async def test_rival_tickers_make_one_chain_in_which_each_tick_sees_what_the_one_before_saw(
    database: Database, database_url: str, sql: Connection
) -> None:
    begin = await events.oldest(database)
    written = [[f"{name}{number}" for number in range(40)] for name in "abc"]
    async with _writers(database_url, 7) as connections, asyncio.TaskGroup() as tasks:
        ended = asyncio.Event()
        for connection in connections[3:]:
            tasks.create_task(_tick_until(ended, connection))
        async with asyncio.TaskGroup() as writing:
            for connection, names in zip(connections[:3], written, strict=True):
                writing.create_task(_write_by_turns(connection, names))
        ended.set()
    await _tick(database)

    told = await _read_all(database, begin)
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
    begin = await _tick(database)
    await _tell(sql, "a")
    assert await events.make_tick(database, min_age=timedelta(days=1)) == events.Ticked(end=begin, is_young=True)

    first = await _tick(database)

    assert first.tick == begin.tick + 1
    assert await events.make_tick(database, min_age=AT_ONCE) == events.Ticked(end=first, is_young=False)
    await sql.execute("UPDATE gosynq.ticks SET made_at = made_at + interval '1 hour'")
    assert not (await events.make_tick(database, min_age=timedelta(minutes=1))).is_young


@asynccontextmanager
async def _overtaken_tick(
    database: Database, url: str, sql: Connection, *names: str
) -> AsyncIterator[asyncio.Task[Position]]:
    """Begin a tick that waits for a rival's, which does not see these events; it commits at the end of the block."""
    async with _writers(url, 1) as (rival,), asyncio.TaskGroup() as tasks, rival.transaction():
        await rival.fetch("SELECT * FROM gosynq.make_tick('0')")
        if names:
            await _tell(sql, *names)
        ticking = tasks.create_task(_tick(database))
        await until_blocked_by(sql, rival.get_server_pid())
        yield ticking


async def test_a_forced_tick_that_a_rival_overtakes_sees_what_was_committed_before_it_nevertheless(
    database: Database, database_url: str, sql: Connection
) -> None:
    await _tell(sql, "a")
    async with _overtaken_tick(database, database_url, sql, "b") as ticking:
        pass

    assert await _read_all(database, ticking.result()) == []
    assert await _read_all(database, await events.oldest(database)) == ["a", "b"]


async def test_a_reading_from_a_moment_misses_nothing_of_a_tick_that_was_long_in_the_making(
    database: Database, database_url: str, sql: Connection
) -> None:
    await _tell(sql, "a")
    async with _overtaken_tick(database, database_url, sql) as ticking:
        moment = await _database_time(sql)
        await _tell(sql, "b")
    assert await _read_all(database, ticking.result()) == []

    assert "b" in await _read_all(database, await events.begin_of(database, moment))


async def test_a_reading_from_any_moment_gives_everything_from_then_on(database: Database, sql: Connection) -> None:
    for number in range(12):
        await _tell(sql, str(number))
        if number % 3 == 0:
            await _tick(database)
    await _tick(database)
    moments = await sql.fetch("SELECT occurred_at FROM gosynq.events ORDER BY id")
    for number, row in enumerate(moments):
        names = await _read_all(database, await events.begin_of(database, row["occurred_at"]))
        assert names[-12 + number :] == [str(rest) for rest in range(number, 12)]
        assert len(names) <= 12 - number + 3

    first, last = moments[0]["occurred_at"], moments[-1]["occurred_at"]
    assert await events.begin_of(database, first - timedelta(days=9)) == await events.oldest(database)
    assert await _read_all(database, await events.begin_of(database, last + timedelta(days=9))) == []


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (EventFilter(queues=frozenset({"q2"})), ["b", "c"]),
        (EventFilter(types=frozenset({EventType.DELETED})), ["c"]),
        (EventFilter(job_ids=frozenset({JobId(JOB[:-1] + "2")})), ["d"]),
        (EventFilter(queues=frozenset({"q"}), types=frozenset({EventType.DELETED})), []),
        (EventFilter(queues=frozenset({"q", "q2"}), job_ids=frozenset({JobId(JOB)})), ["a", "b", "c"]),
    ],
)
async def test_rows_that_hold_nothing_wanted_are_left_out(
    database: Database, sql: Connection, wanted: EventFilter, names: list[str]
) -> None:
    await _tell(sql, "a")
    await _tell(sql, "b", queue="q2")
    await _tick(database)
    await _tell(sql, "c", queue="q2", type_="deleted")
    await _tell(sql, "d", job=JOB[:-1] + "2")
    await _tick(database)

    begin = await events.oldest(database)

    assert [await _read_all(database, begin, wanted, limit=limit) for limit in (1, 2, 200)] == [names] * 3


async def test_a_reading_of_nothing_wanted_goes_through_any_number_of_ticks(
    database: Database, sql: Connection
) -> None:
    begin = await events.oldest(database)
    for number in range(300):
        await _tell(sql, str(number))
        end = await _tick(database)
    wanted = EventFilter(queues=frozenset({"none"}))

    middle = (await events.read(database, begin, wanted, limit=1)).end

    assert begin < middle < end
    assert (await events.read(database, middle, wanted, limit=1)).end == end
    assert await _read_all(database, begin) == [str(number) for number in range(300)]


async def _database_time(sql: Connection) -> datetime:
    now: datetime = await sql.fetchval("SELECT clock_timestamp()")
    return now


async def _five_ticks_of_which_are_old(database: Database, sql: Connection, old: int) -> list[Position]:
    """Make five ticks behind an event each, some of them and the very first made long ago."""
    ends = []
    for number in range(5):
        await _tell(sql, str(number))
        ends.append(await _tick(database))
    await sql.execute(
        "UPDATE gosynq.ticks SET made_at = made_at - interval '8 days' WHERE id <= $1", ends[old - 1].tick
    )
    return ends


async def _prune(database: Database, sql: Connection, *, limit: int = 10, late: timedelta = AT_ONCE) -> int:
    before = (await _database_time(sql)).date() - timedelta(days=6)
    return await events.prune_ticks(database, before=before, late=late, limit=limit)


async def test_old_ticks_are_pruned_in_order_up_to_the_last_of_them(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 3)

    assert await _prune(database, sql, limit=2) == 2
    assert (await events.oldest(database)).tick == ends[0].tick + 1
    assert await _prune(database, sql) == 1
    assert await _prune(database, sql) == 0
    assert (await events.oldest(database)).tick == ends[2].tick
    assert await _read_all(database, await events.oldest(database)) == ["3", "4"]


async def test_the_last_tick_of_all_stays_however_old(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 5)

    await _prune(database, sql)

    assert (await events.oldest(database)).tick == ends[4].tick
    await _tell(sql, "later")
    await _tick(database)
    assert await _prune(database, sql) == 0
    assert await _read_all(database, await events.oldest(database)) == ["later"]


async def test_an_old_tick_goes_where_events_behind_it_go(database: Database, sql: Connection) -> None:
    ends = await _five_ticks_of_which_are_old(database, sql, 3)
    await sql.execute("UPDATE gosynq.events SET day = day - 8 WHERE kinds = ARRAY['3']")

    await _prune(database, sql)

    assert (await events.oldest(database)).tick == ends[3].tick


async def test_ticks_are_made_one_after_the_other_where_the_clock_was_set_back_too(
    database: Database, sql: Connection
) -> None:
    await _tell(sql, "a")
    before = await _tick(database)
    await sql.execute("UPDATE gosynq.ticks SET made_at = made_at + interval '1 hour' WHERE id = $1", before.tick)
    await _tell(sql, "b")

    await _tick(database)

    assert (
        await sql.fetchval("SELECT max(made_at) - min(made_at) FROM gosynq.ticks WHERE id >= $1", before.tick)
        == AT_ONCE
    )


async def test_a_reading_behind_a_tick_that_is_gone_is_told_so(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    for number in range(3):
        await _tell(sql, str(number))
        await _tick(database)
    await sql.execute("DELETE FROM gosynq.ticks WHERE id = $1", begin.tick)

    assert await events.known(database, begin) is None
    with pytest.raises(CursorExpired):
        await events.read(database, begin, EVERYTHING, limit=10)
    assert await _read_all(database, await events.oldest(database)) == ["1", "2"]


@pytest.mark.parametrize("change", [{"made_at": 7}, {"tick": 1000}])
async def test_a_position_of_another_history_is_not_known_and_not_read_from(
    database: Database, sql: Connection, change: dict[str, int]
) -> None:
    await _tell(sql, "a")
    position = await _tick(database)
    await _tell(sql, "b")
    await _tick(database)
    assert await events.known(database, position)

    stranger = position._replace(**change)

    assert await events.known(database, stranger) is False
    with pytest.raises(CursorInvalid):
        await events.read(database, stranger, EVERYTHING, limit=10)


async def test_a_position_inside_a_row_goes_on_with_that_row(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    await _tell(sql, "a", "b")
    await _tell(sql, "c")
    await _tick(database)
    (first, second) = (await events.read(database, begin, EVERYTHING, limit=10)).rows

    assert await events.known(database, first.behind(0))
    assert await _read_all(database, first.behind(0)) == ["a", "b", "c"]
    assert await _read_all(database, first.end) == ["c"]
    assert await _read_all(database, second.end) == []


def _tables(rows: Sequence[asyncpg.Record]) -> int:
    return sum(row["seq_tup_read"] + row["idx_tup_fetch"] for row in rows)


@pytest.mark.parametrize("partitioned", [False, True])
async def test_ticks_and_events_are_read_by_index_without_any_statistics(
    database_url: str, sql: Connection, partitioned: bool
) -> None:
    if partitioned:
        async with Database(database_url) as database:
            await database.fetch("partitions_make", "events", "day", (await _database_time(sql)).date())
    async with Database(database_url) as database:
        for _ in range(20):
            await sql.execute(
                "INSERT INTO gosynq.events (type, queue, status, job_ids, kinds, priorities, attempts, revisions)"
                " SELECT 'created', 'q', 'pending', ARRAY[$1::uuid], ARRAY['k'], ARRAY[2], ARRAY[0], ARRAY[1]"
                " FROM generate_series(1, 500)",
                JOB,
            )
            await _tick(database)
        end = (await _tick(database)).tick
    for _ in range(2):
        await _tell(sql, "a")
    read = (
        "SELECT coalesce(seq_tup_read, 0) AS seq_tup_read, coalesce(idx_tup_fetch, 0) AS idx_tup_fetch"
        " FROM pg_stat_xact_user_tables WHERE schemaname = 'gosynq' AND (relname LIKE 'events%' OR relname = 'ticks')"
    )
    for call, most in (
        ("gosynq.make_tick('0')", 20),
        (f"gosynq.read_events({end}, {end} + 1, 0, 200, NULL, NULL, NULL)", 20),
        (f"gosynq.read_events({end - 1}, {end}, 0, 10, NULL, NULL, NULL)", 600),
        (f"gosynq.read_events({end - 1}, {end}, 0, 10, ARRAY['none'], NULL, NULL)", 600),
    ):
        async with sql.transaction():
            before = _tables(await sql.fetch(read))
            await sql.fetch(f"SELECT * FROM {call}")  # noqa: S608 - nothing from outside
            assert _tables(await sql.fetch(read)) - before <= most, call
