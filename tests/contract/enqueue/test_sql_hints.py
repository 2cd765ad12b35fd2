"""What servers hear of a job that was enqueued by SQL, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from gosynq_server.service.replicas import Replicas
from gosynq_server.service.wakeups import Deaf, Signal, Wakeups
from tests.contract.enqueue.test_sql import many
from tests.contract.enqueue.ways import BySql
from tests.service.house import HOUR, House


@pytest.fixture
def way(house: House) -> BySql:
    return BySql(house.sql)


class Ears(Deaf):
    """Hears of queues, and says when each of the nouns was heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.enough = asyncio.Event()

    def jobs_ready(self, queue: str) -> None:
        self._hear("ready", queue)

    def jobs_scheduled(self, queue: str) -> None:
        self._hear("scheduled", queue)

    def jobs_held(self, queue: str) -> None:
        self._hear("held", queue)

    def _hear(self, *what: str) -> None:
        self.heard.append(what)  # type: ignore[arg-type] # two words
        if what == ("ready", "last"):
            self.enough.set()


async def heard_of(house: House, enqueues: Awaitable[Any]) -> list[tuple[str, str]]:
    """Return what a server hears of what is enqueued, up to a job of the queue "last"."""
    ears, here = Ears(), Wakeups()
    here.add(ears)
    listening = asyncio.create_task(Replicas(house.database, server_id="b", here=here, on_tick=Signal().set).listen())
    async with asyncio.timeout(10):
        while not await house.sql.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' AND state = 'idle' AND datname = current_database()"
        ):
            pass
        await enqueues
        await BySql(house.sql).enqueue(queue="last")
        await ears.enough.wait()
    listening.cancel()
    return ears.heard[:-1]


async def test_servers_hear_once_of_each_queue_at_the_commit(house: House, way: BySql) -> None:
    async def enqueue() -> None:
        async with house.sql.transaction():
            for _ in range(3):
                await way.enqueue(queue="a")
                await way.enqueue(queue="b", delay=HOUR)
                await way.enqueue(queue="c", ordering_key="x")
            await way.enqueue(queue="d", wake=False)
        await way.enqueue(queue="e", kind="-")
        async with house.sql.transaction():
            await many(house, {"queue": "f"}, {"queue": "f"})

    heard = await heard_of(house, enqueue())
    assert heard == [("ready", "a"), ("scheduled", "b"), ("held", "c"), ("ready", "f")]


async def test_servers_hear_of_a_job_that_got_another_start_and_of_no_repeat(house: House, way: BySql) -> None:
    async def enqueue() -> None:
        await way.enqueue(queue="a", debounce_key="x", wake=False)
        await way.enqueue(queue="a", debounce_key="x")
        await way.enqueue(queue="b", idempotency_key="x", wake=False)
        await way.enqueue(queue="b", idempotency_key="x")
        await way.enqueue(queue="a", debounce_key="x", debounce_mode="replace")

    assert await heard_of(house, enqueue()) == [("scheduled", "a")]
