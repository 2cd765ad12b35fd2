"""Progress is told to those who ask for it, after the start of its job, and as it is reported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import orjson

from gosynq_client.worker.leases import Lease, ProgressReport
from gosynq_server.domain.event import EventFilter, EventRow
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.watching import Delivery, WatchQuery
from tests.service.house import PATIENCE_SECONDS, House


async def _report(house: House, lease: Lease, current: int) -> None:
    await house.leases.report_progress([ProgressReport(lease=lease, current=current, total=3, message="m")])


@asynccontextmanager
async def _watched(house: House, *types: EventType) -> AsyncIterator[AsyncGenerator[EventRow]]:
    """Give the rows of a watch that has begun."""
    query = WatchQuery(wanted=EventFilter(types=frozenset(types)))
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(house.watches.watch(query)) as deliveries:
        await anext(deliveries)
        yield _rows(deliveries)


async def _rows(deliveries: AsyncGenerator[Delivery]) -> AsyncGenerator[EventRow]:
    async for delivery in deliveries:
        for match in delivery.matches:
            yield match.row


async def test_each_report_is_told_once_and_after_its_job_s_start(house: House) -> None:
    async with _watched(house, EventType.STARTED, EventType.PROGRESS) as rows:
        lease = await house.started(labels={"tenant": "acme"})
        told = [await anext(rows)]
        for current in (1, 2):
            await _report(house, lease, current)
            row = await anext(rows)
            assert (row.job_ids, row.worker_id) == ([lease.job_id], "w")
            assert orjson.loads((row.details or ())[0] or "")["current"] == current
            told.append(row)

    assert [row.type for row in told] == [EventType.STARTED, EventType.PROGRESS, EventType.PROGRESS]


async def test_who_does_not_ask_for_progress_gets_none_and_costs_no_reading(house: House) -> None:
    async with _watched(house) as rows:
        lease = await house.started()
        await _report(house, lease, 1)
        await house.jobs.delete(lease.job_id, force=True, allow_missing=False)

        types = [(await anext(rows)).type for _ in range(3)]

    assert types == [EventType.CREATED, EventType.STARTED, EventType.DELETED]
    assert house.progress.count == 0
