"""One house for all examples of a property; each finds it empty."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import Run
from tests.service.house import PATIENCE_SECONDS, House, open_house


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ground:
    """A house, and how a property that is no coroutine waits for what it does."""

    house: House
    run: Run

    def __repr__(self) -> str:
        return "ground"

    def clear(self) -> None:
        """Take everything away that an example left."""
        self.run(_clear(self.house))


@pytest.fixture
def ground(run_apart: Run, database_url: str) -> Iterator[Ground]:
    keeper = _Keeper(database_url)
    house = run_apart(keeper.open())
    yield Ground(house=house, run=run_apart)
    run_apart(keeper.close())


class _Keeper:
    """Holds a house open in a task of its own, which goes on whenever something is waited for."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> House:
        opened: asyncio.Future[House] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep(opened))
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await opened

    async def close(self) -> None:
        self._over.set()
        assert self._task is not None
        await self._task

    async def _keep(self, opened: asyncio.Future[House]) -> None:
        async with open_house(self._url) as house:
            opened.set_result(house)
            await self._over.wait()


async def _clear(house: House) -> None:
    # What is counted is counted first: the counts go on from the last event that they saw.
    await house.sql.execute("SELECT gosynq.count_events('0')")
    names = await house.sql.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'gosynq'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname NOT IN ('migrations', 'migration_lease', 'ticks', 'queue_counting')"
    )
    await house.sql.execute(";".join(f"DELETE FROM gosynq.{row['relname']}" for row in names))  # noqa: S608 - ours
    house.queues.queue_changed("q")
