"""Events are read in the order that ticks give them, whatever order they are committed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import asyncpg
import pytest

from gosynq_server.domain.errors import CursorExpired, CursorInvalid
from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.store import events
from gosynq_server.store.database import Database
from tests.service.house import Connection
from tests.store.telling import EVERYTHING, JOB, database_time, read_all, tell, tick, writers


async def test_a_tick_holds_what_was_committed_before_it_and_the_next_one_the_rest(
    database: Database, database_url: str
) -> None:
    begin = await events.oldest(database)
    async with writers(database_url, 2) as (slow, fast):
        transaction = slow.transaction()
        await transaction.start()
        await tell(slow, "a1")
        await tell(fast, "b1")
        first = await tick(database)
        await tell(slow, "a2")
        await tell(fast, "b2")
        second = await tick(database)
        assert await read_all(database, begin) == ["b1", "b2"]
        await transaction.commit()
        await tell(fast, "b3")
        third = await tick(database)

    assert [first.tick, second.tick, third.tick] == [begin.tick + n for n in (1, 2, 3)]
    assert await read_all(database, begin) == ["b1", "b2", "a1", "a2", "b3"]
    assert await read_all(database, second) == ["a1", "a2", "b3"]
    assert await read_all(database, third) == []


async def test_what_is_rolled_back_wholly_or_to_a_savepoint_is_no_event(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    whole = sql.transaction()
    await whole.start()
    await tell(sql, "never")
    await whole.rollback()
    async with sql.transaction():
        savepoint = sql.transaction()
        await savepoint.start()
        await tell(sql, "undone")
        await savepoint.rollback()
        async with sql.transaction():
            await tell(sql, "kept")
        assert await tick(database) == begin

    await tick(database)

    assert await read_all(database, begin) == ["kept"]


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
        await tell(self.connection, *names)
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
    async with writers(database_url, 5) as connections:
        busy = [_Writer(connection, random) for connection in connections]
        for step in range(150):
            match random.choice(["write", "write", "end", "tick", "read", "read"]):
                case "write":
                    await random.choice(busy).write(f"{step}.0", f"{step}.1")
                case "end":
                    await random.choice(busy).end()
                case "tick":
                    await tick(database)
                case _:
                    await random.choice(readers).read(database, random.choice([1, 2, 200]))
        for writer in busy:
            await writer.end()
    await tick(database)

    whole = await read_all(database, begin)
    assert sorted(whole) == sorted(name for writer in busy for name in writer.kept)
    assert [await read_all(database, begin, limit=limit) for limit in (1, 2, 3, 7)] == [whole] * 4
    assert [reader.names + await read_all(database, reader.position) for reader in readers] == [whole] * 3


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
    await tell(sql, "a")
    await tell(sql, "b", queue="q2")
    await tick(database)
    await tell(sql, "c", queue="q2", type_="deleted")
    await tell(sql, "d", job=JOB[:-1] + "2")
    await tick(database)

    begin = await events.oldest(database)

    assert [await read_all(database, begin, wanted, limit=limit) for limit in (1, 2, 200)] == [names] * 3


async def test_a_reading_of_nothing_wanted_goes_through_any_number_of_ticks(
    database: Database, sql: Connection
) -> None:
    begin = await events.oldest(database)
    for number in range(300):
        await tell(sql, str(number))
        end = await tick(database)
    wanted = EventFilter(queues=frozenset({"none"}))

    middle = (await events.read(database, begin, wanted, limit=1)).end

    assert begin < middle < end
    assert (await events.read(database, middle, wanted, limit=1)).end == end
    assert await read_all(database, begin) == [str(number) for number in range(300)]


async def test_a_reading_behind_a_tick_that_is_gone_is_told_so(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    for number in range(3):
        await tell(sql, str(number))
        await tick(database)
    await sql.execute("DELETE FROM gosynq.ticks WHERE id = $1", begin.tick)

    assert await events.known(database, begin) is None
    with pytest.raises(CursorExpired):
        await events.read(database, begin, EVERYTHING, limit=10)
    assert await read_all(database, await events.oldest(database)) == ["1", "2"]


@pytest.mark.parametrize("change", [{"made_at": 7}, {"tick": 1000}])
async def test_a_position_of_another_history_is_not_known_and_not_read_from(
    database: Database, sql: Connection, change: dict[str, int]
) -> None:
    await tell(sql, "a")
    position = await tick(database)
    await tell(sql, "b")
    await tick(database)
    assert await events.known(database, position)

    stranger = position._replace(**change)

    assert await events.known(database, stranger) is False
    with pytest.raises(CursorInvalid):
        await events.read(database, stranger, EVERYTHING, limit=10)


async def test_a_position_inside_a_row_goes_on_with_that_row(database: Database, sql: Connection) -> None:
    begin = await events.oldest(database)
    await tell(sql, "a", "b")
    await tell(sql, "c")
    await tick(database)
    (first, second) = (await events.read(database, begin, EVERYTHING, limit=10)).rows

    assert await events.known(database, first.behind(0))
    assert await read_all(database, first.behind(0)) == ["a", "b", "c"]
    assert await read_all(database, first.end) == ["c"]
    assert await read_all(database, second.end) == []


def _tables(rows: Sequence[asyncpg.Record]) -> int:
    return sum(row["seq_tup_read"] + row["idx_tup_fetch"] for row in rows)


@pytest.mark.parametrize("partitioned", [False, True])
async def test_ticks_and_events_are_read_by_index_without_any_statistics(
    database_url: str, sql: Connection, partitioned: bool
) -> None:
    if partitioned:
        async with Database(database_url) as database:
            await database.fetch("partitions_make", "events", "day", (await database_time(sql)).date())
    async with Database(database_url) as database:
        for _ in range(20):
            await sql.execute(
                "INSERT INTO gosynq.events (type, queue, status, job_ids, kinds, priorities, attempts, revisions)"
                " SELECT 'created', 'q', 'pending', ARRAY[$1::uuid], ARRAY['k'], ARRAY[2], ARRAY[0], ARRAY[1]"
                " FROM generate_series(1, 500)",
                JOB,
            )
            await tick(database)
        end = (await tick(database)).tick
    for _ in range(2):
        await tell(sql, "a")
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
