"""A tick that is asked for sees what was committed before, whoever else asks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.service.ticker import Ticker
from gosynq_server.service.wakeups import Signal
from gosynq_server.store.database import Database
from tests.service.house import House, SpiedDatabase
from tests.service.watching import (
    told_from,
)


async def test_a_forced_tick_sees_what_was_committed_before_and_calls_share_it(house: House) -> None:
    async with SpiedDatabase(house.url) as database:
        ticker = Ticker(database, ticked=Signal())
        await house.add()
        ends = await asyncio.gather(*(ticker.now() for _ in range(50)))
        assert database.names.count("ticks_make") <= 2
        assert await told_from(house, min(ends), 0) == []
        later = await house.add()
        end = await ticker.now()
        assert end > max(ends)
        assert [event.job for event in await told_from(house, max(ends), 1)] == [later]
        assert ticker.end == end


async def test_who_asks_for_a_tick_while_one_is_made_gets_one_that_began_after(house: House) -> None:
    async with SpiedDatabase(house.url) as database, asyncio.TaskGroup() as tasks:
        ticker = Ticker(database, ticked=Signal())
        for _ in range(5):
            tasks.create_task(ticker.now())
            await asyncio.sleep(0)
            await house.add()
            assert await told_from(house, await ticker.now(), 0) == []


async def test_a_tick_that_fails_is_tried_anew_by_the_next_who_asks(house: House) -> None:
    async with SpiedDatabase(house.url) as database:
        ticker = Ticker(database, ticked=Signal())
        database.away = frozenset({"ticks_make"})
        results = await asyncio.gather(*(ticker.now() for _ in range(3)), return_exceptions=True)
        assert {type(result) for result in results} == {DatabaseUnavailable}
        database.away = frozenset()
        await house.add()
        assert await told_from(house, await ticker.now(), 0) == []


async def test_calls_share_the_failure_of_a_database_that_keeps_them_waiting(house: House) -> None:
    async with SilentDatabase(house.url) as database:
        ticker = Ticker(database, ticked=Signal())
        first, *others = [asyncio.ensure_future(ticker.now()) for _ in range(50)]
        await database.asked.acquire()
        database.answers.release()
        await asyncio.wait([first])
        await database.asked.acquire()
        database.answers.release()
        results = await asyncio.gather(first, *others, return_exceptions=True)

    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert database.asked.locked()


class SilentDatabase(Database):
    """A database that lets everybody wait until it is told to fail."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.asked, self.answers = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        self.asked.release()
        await self.answers.acquire()
        raise DatabaseUnavailable
