"""Watches as tests read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.event import EventFilter, Match, Position
from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.watching import Delivery, EventPage, EventQuery, WatchQuery
from tests.service.house import FAILED, FATAL, PATIENCE_SECONDS, House


class Told(NamedTuple):
    """One event, as far as tests look at it."""

    id: str
    type: str
    job: str


def told_in(matches: Sequence[Match]) -> list[Told]:
    return [Told(f"{row.id}-{place}", row.type, row.job_ids[place]) for row, places in matches for place in places]


class Watcher:
    """One who takes what a watch gives, and waits for it no longer than a test should."""

    def __init__(self, deliveries: AsyncGenerator[Delivery]) -> None:
        self._deliveries = deliveries

    async def take(self) -> Delivery:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await anext(self._deliveries)

    async def until(self, count: int) -> list[Told]:
        """Take until that many events have come, and hold that no more did."""
        return [told for delivery in await self.deliveries_until(count) for told in told_in(delivery.matches)]

    async def deliveries_until(self, count: int) -> list[Delivery]:
        taken: list[Delivery] = []
        while (room := count - sum(len(told_in(delivery.matches)) for delivery in taken)) > 0:
            taken.append(await self.take())
        assert room == 0
        return taken

    async def rest(self) -> list[Delivery]:
        """Take what comes until the watch ends by itself."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return [delivery async for delivery in self._deliveries]


@asynccontextmanager
async def watching(house: House, *, of: dict[str, Any] | None = None, **query: Any) -> AsyncIterator[Watcher]:
    """Begin a watch with these conditions, and end it with the block."""
    wanted = _filter_of(of or {})
    async with aclosing(house.watches.watch(WatchQuery(wanted=wanted, **query))) as deliveries:
        yield Watcher(deliveries)


def _filter_of(conditions: dict[str, Any]) -> EventFilter:
    moments = ("not_before", "before")
    values: dict[str, Any] = {name: each if name in moments else frozenset(each) for name, each in conditions.items()}
    return EventFilter(**values)


async def all_told(house: House) -> list[Told]:
    """Tell everything that is stored, from the table and whatever is kept beside it."""
    count = await house.sql.fetchval("SELECT coalesce(sum(cardinality(job_ids)), 0) FROM gosynq.events")
    async with watching(house, from_oldest=True) as watcher:
        return await watcher.until(count)


async def told_from(house: House, position: Position, count: int) -> list[Told]:
    """Tell what follows a position, which is to be that many events."""
    async with watching(house, cursor=encode_cursor(position), heartbeat=timedelta(milliseconds=100)) as watcher:
        told = await watcher.until(count)
        assert not (await watcher.take()).matches
        return told


async def pages(house: House, *, of: dict[str, Any] | None = None, **query: Any) -> list[EventPage]:
    """Read a list of events page by page."""
    wanted = _filter_of(of or {})
    read: list[EventPage] = []
    while not read or read[-1].next_page_token:
        token = read[-1].next_page_token if read else ""
        read.append(await house.event_pages.read(EventQuery(wanted=wanted, page_token=token, **query)))
    return read


async def succeed(house: House, **spec: Any) -> str:
    """Add a job, and let it succeed."""
    lease = await house.started(**spec)
    await house.settle(lease, Succeeded())
    return lease.job_id


async def add_many(house: House, count: int) -> None:
    """Add jobs whose events stand in one row."""
    await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k") for _ in range(count)])


async def let_all_happen(house: House) -> None:
    """Make events of many types, some of them many to a row."""
    await add_many(house, 5)
    leases = await house.lease(4)
    await house.settle(leases[0], Succeeded())
    await house.settle(leases[1], FATAL)
    await house.settle(leases[2], FAILED)
    await house.jobs.cancel(leases[3].job_id, reason="enough", force=False)
    await house.jobs.retry(leases[1].job_id, run_at=None)
    await house.jobs.delete(leases[0].job_id, force=False, allow_missing=False)


CONDITIONS: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"a", "b", "c", "d"}),
    ({"queues": ["q"]}, {"a", "c"}),
    ({"queues": ["q", "q2"]}, {"a", "b", "c", "d"}),
    ({"queues": ["none"]}, set()),
    ({"types": [EventType.CREATED]}, {"a", "b", "c", "d"}),
    ({"types": [EventType.DELETED, EventType.PROGRESS]}, set()),
    ({"kinds": ["x"]}, {"c", "d"}),
    ({"priorities": [Priority.LOW]}, {"d"}),
    ({"priorities": [Priority.LOW, Priority.NORMAL]}, {"a", "b", "c", "d"}),
    ({"labels": [("tenant", "acme")]}, {"a", "c"}),
    ({"labels": [("tenant", "acme"), ("n", "3")]}, {"c"}),
    ({"labels": [("tenant", "none")]}, set()),
    ({"queues": ["q"], "kinds": ["x"], "labels": [("n", "3")]}, {"c"}),
    ({"queues": ["q2"], "labels": [("tenant", "acme")]}, set()),
]
SPECS: dict[str, dict[str, Any]] = {
    "a": {"labels": {"tenant": "acme"}},
    "b": {"queue": "q2"},
    "c": {"kind": "x", "labels": {"tenant": "acme", "n": "3"}},
    "d": {"queue": "q2", "kind": "x", "priority": Priority.LOW},
}
