"""Open watches are counted, and how far the slowest of them is behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

from gosynq_server.domain.watching import WatchQuery
from tests.service.house import PATIENCE_SECONDS, House


async def test_a_watch_that_stops_reading_is_behind_and_one_that_reads_is_not(house: House) -> None:
    stopped, reading = house.watches.watch(WatchQuery()), house.watches.watch(WatchQuery())
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(stopped), aclosing(reading):
        await anext(stopped)
        await anext(reading)
        assert (house.watches.count, house.watches.furthest_behind()) == (2, timedelta())

        await house.add()
        while not (await anext(reading)).matches:
            pass
        assert house.watches.furthest_behind() > timedelta()

        await stopped.aclose()
        coming = asyncio.ensure_future(anext(reading))
        await asyncio.sleep(0)
        assert (house.watches.count, house.watches.furthest_behind()) == (1, timedelta())
        coming.cancel()
        await asyncio.wait([coming])

    assert house.watches.count == 0
