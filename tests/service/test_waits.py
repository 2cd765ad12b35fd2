"""Who waits for a job is told of its end, wherever that was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gosynq_server.service import waits
from gosynq_server.service.waits import Waits
from tests.service.house import PATIENCE_SECONDS, House, SpiedDatabase


@pytest.fixture
async def database(house: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SpiedDatabase]:
    """Give another server's way to the database of the house; it looks into the table without a pause."""
    monkeypatch.setattr(waits, "_LOOK_EVERY_SECONDS", 0)
    async with SpiedDatabase(house.url, pool_size=1) as database:
        yield database


async def test_a_job_that_ends_elsewhere_is_found(house: House, database: SpiedDatabase) -> None:
    here = Waits(database)
    looking = asyncio.create_task(here.run())
    job_id = await house.add()
    with here.waiting_for(job_id) as ended:
        await house.jobs.cancel(job_id, reason="", force=False)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await ended.wait()
    looking.cancel()


async def test_a_look_that_the_database_refuses_is_made_again(house: House, database: SpiedDatabase) -> None:
    here = Waits(database)
    looking = asyncio.create_task(here.run())
    job_id = await house.add()
    database.hold()
    with here.waiting_for(job_id) as ended:
        await house.jobs.cancel(job_id, reason="", force=False)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not database.names:
                await house.job(job_id)
            assert not ended.is_set()
            database.admit()
            await ended.wait()
    looking.cancel()
