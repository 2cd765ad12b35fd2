"""The newest events are kept in memory; who falls behind reads the table, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gosynq_server.domain.errors import DatabaseUnavailable
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
