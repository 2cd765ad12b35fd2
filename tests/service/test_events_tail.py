"""The newest events are kept in memory; who falls behind reads the table, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gosynq_server.domain.errors import CursorExpired, CursorInvalid, DatabaseUnavailable, GosynqError
from gosynq_server.domain.watching import WatchQuery
from gosynq_server.service.event_log import EventLog
from gosynq_server.service.event_tail import EventTail
from gosynq_server.service.wakeups import Signal
from gosynq_server.service.watches import Watches
from tests.service.house import SECOND, House, SpiedDatabase
from tests.service.watching import (
    Told,
    Watcher,
    add_many,
    all_told,
)


@asynccontextmanager
async def _small(house: House, kept_events: int) -> AsyncIterator[tuple[EventTail, SpiedDatabase, Watches]]:
    """Give watches over a tail that keeps little, and the database that it reads from."""
    ticked = Signal()
    async with SpiedDatabase(house.url) as database, asyncio.TaskGroup() as tasks:
        tail = EventTail(database, house.ticker, ticked=ticked, kept_events=kept_events)
        reading = tasks.create_task(tail.run())
        yield tail, database, Watches(EventLog(database, tail), tail, house.progress, house.jobs)
        reading.cancel()


async def _catch_up(house: House, tail: EventTail) -> None:
    end = await house.ticker.now()
    async with asyncio.timeout(5):
        while tail.end < end:
            await tail.wait(end, 1)


@pytest.mark.parametrize("kept_events", [0, 1, 3, 7, 20])
@pytest.mark.parametrize("batch", [1, 4])
async def test_who_falls_behind_what_is_kept_reads_the_table_and_comes_back_without_gap_or_repeat(
    house: House, kept_events: int, batch: int
) -> None:
    async with _small(house, kept_events) as (tail, _, watches):
        slow = watches.watch(WatchQuery(batch=batch))
        watcher = Watcher(slow)
        await watcher.take()
        count = 0
        told: list[Told] = []
        for number in (1, 12, 2, 9):
            await add_many(house, number)
            await house.add()
            await _catch_up(house, tail)
            count += number + 1
            told += await watcher.until(1 if number == 12 and batch == 1 else count - len(told))
        await slow.aclose()

    assert told == await all_told(house)


async def test_a_tail_keeps_no_more_events_than_it_should(house: House) -> None:
    async with _small(house, 5) as (tail, _, _), tail.followed():
        for _ in range(4):
            await add_many(house, 3)
        await _catch_up(house, tail)
        assert sum(len(row.job_ids) for row in tail._rows) <= 5  # noqa: SLF001 - memory is not seen from outside


async def test_a_watch_outlasts_the_absence_of_the_database_where_it_is_up_to_date(house: House) -> None:
    async with _small(house, 100) as (_, database, watches):
        deliveries = watches.watch(WatchQuery(heartbeat=SECOND / 10))
        watcher = Watcher(deliveries)
        await watcher.take()
        database.hold()
        job = await house.add()
        assert not (await watcher.take()).matches
        database.admit()
        assert [event.job for event in await watcher.until(1)] == [job]
        await deliveries.aclose()


async def test_a_watch_that_reads_the_table_ends_where_the_database_is_away(house: House) -> None:
    await house.add()
    async with _small(house, 100) as (tail, database, watches):
        watcher = Watcher(watches.watch(WatchQuery(from_oldest=True)))
        await watcher.take()
        database.hold()
        with pytest.raises(DatabaseUnavailable):
            await watcher.take()
        assert tail.followers == 0


async def _restore(house: House) -> None:
    """Let the last tick be one of another history, as after a restoration from a backup, and more happen."""
    await house.sql.execute(
        "UPDATE gosynq.ticks SET made_at = made_at + interval '1 microsecond'"
        " WHERE id = (SELECT max(id) FROM gosynq.ticks)"
    )
    await house.add()
    await house.ticker.now()


async def _expire(house: House) -> None:
    """Let the last tick be gone before what is behind it was read."""
    await house.add()
    end = await house.ticker.now()
    await house.sql.execute("DELETE FROM gosynq.ticks WHERE id < $1", end.tick)


@pytest.mark.parametrize(("happen", "refusal"), [(_restore, CursorInvalid), (_expire, CursorExpired)])
async def test_a_tail_that_lost_its_place_begins_anew_and_tells_who_followed(
    house: House, happen: Callable[[House], Awaitable[None]], refusal: type[GosynqError]
) -> None:
    await house.add()
    async with _small(house, 100) as (tail, database, watches), tail.followed():
        watcher = Watcher(watches.watch(WatchQuery()))
        await watcher.take()
        database.hold()
        await happen(house)
        database.admit()
        with pytest.raises(refusal):
            await watcher.take()

        other = watches.watch(WatchQuery())
        await Watcher(other).take()
        job = await house.add()
        assert [event.job for event in await Watcher(other).until(1)] == [job]
        await other.aclose()


async def test_who_can_go_on_by_the_table_does_where_the_tail_lost_its_place(house: House) -> None:
    await add_many(house, 3)
    async with _small(house, 100) as (tail, database, watches), tail.followed():
        slow = watches.watch(WatchQuery(from_oldest=True, batch=1))
        await Watcher(slow).take()
        database.hold()
        await _restore(house)
        database.admit()
        await _catch_up(house, tail)
        told = await Watcher(slow).until(4)
        await slow.aclose()

    assert told == await all_told(house)


async def test_the_ticker_s_end_is_one_of_the_history_that_there_is(house: House) -> None:
    await house.add()
    kept = await house.ticker.now()
    for _ in range(3):
        await house.add()
        await house.ticker.now()
    await house.sql.execute("DELETE FROM gosynq.ticks WHERE id > $1", kept.tick)

    await house.ticker.now()

    assert house.ticker.end is not None
    await house.log.check(house.ticker.end)
