"""A watch gives every event that it wants, once and in order, from wherever it begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.job import JobId
from tests.service.house import FAILED, SECOND, House
from tests.service.watching import (
    CONDITIONS,
    SPECS,
    Told,
    all_told,
    let_all_happen,
    told_from,
    told_in,
    watching,
)


async def test_a_watch_begins_at_once_with_its_position(house: House) -> None:
    await house.add()
    async with watching(house) as watcher:
        first = await watcher.take()
        assert (first.matches, first.snapshot, first.snapshot_complete) == ((), (), False)
        assert first.position is not None

        job = await house.add()

        assert [(event.type, event.job) for event in await watcher.until(1)] == [("created", job)]


async def test_what_is_committed_after_the_first_delivery_is_given_wherever_it_happens(
    house: House, elsewhere: House
) -> None:
    async with watching(house) as here, watching(elsewhere) as there:
        await here.take()
        await there.take()
        for server in (house, elsewhere, house):
            await server.add()
        assert await here.until(3) == await there.until(3) == await all_told(house)


@pytest.mark.parametrize("batch", [1, 2, 3, 5, 1000])
async def test_from_the_position_of_every_delivery_the_rest_follows_exactly(house: House, batch: int) -> None:
    await let_all_happen(house)
    whole = await all_told(house)
    assert len(whole) > 14

    async with watching(house, from_oldest=True, batch=batch) as watcher:
        deliveries = await watcher.deliveries_until(len(whole))

    given: list[Told] = []
    for delivery in deliveries:
        events = told_in(delivery.matches)
        assert len(events) <= batch
        given += events
        assert delivery.position is not None
        rest = whole[len(given) :]
        async with watching(house, cursor=encode_cursor(delivery.position)) as watcher:
            assert await watcher.until(len(rest)) == rest
    assert given == whole


async def test_events_of_one_job_stand_as_they_happened(house: House) -> None:
    lease = await house.started(max_retries=0)
    await house.settle(lease, FAILED)
    await house.jobs.retry(lease.job_id, run_at=None)
    await house.jobs.cancel(lease.job_id, reason="", force=False)
    await house.jobs.delete(lease.job_id, force=False, allow_missing=False)

    told = [event.type for event in await all_told(house) if event.job == lease.job_id]

    assert told == ["created", "started", "failed", "dead_lettered", "requeued", "cancelled", "deleted"]


async def test_a_watch_from_a_moment_gives_what_happened_then_or_later(house: House) -> None:
    await let_all_happen(house)
    whole = await all_told(house)
    rows = await house.sql.fetch("SELECT id, occurred_at FROM gosynq.events")
    at = {row["id"]: row["occurred_at"] for row in rows}
    for moment in sorted(at.values()):
        later = [event for event in whole if at[int(event.id.split("-")[0])] >= moment]
        async with watching(house, of={"not_before": moment}, start_at=moment) as watcher:
            assert await watcher.until(len(later)) == later


async def test_a_watch_from_before_everything_and_one_from_the_oldest_are_the_same(house: House) -> None:
    await let_all_happen(house)
    whole = await all_told(house)
    moment = await house.sql.fetchval("SELECT statement_timestamp() - interval '400 days'")

    async with watching(house, of={"not_before": moment}, start_at=moment) as watcher:
        assert await watcher.until(len(whole)) == whole


@pytest.mark.parametrize(("conditions", "names"), CONDITIONS)
async def test_what_is_stored_and_what_comes_is_filtered_alike(
    house: House, conditions: dict[str, Any], names: set[str]
) -> None:
    before = {await house.add(**spec): name for name, spec in SPECS.items()}
    async with watching(house, of=conditions, from_oldest=True) as watcher:
        told = await watcher.until(len(names))
        after = {await house.add(**spec): name for name, spec in SPECS.items()}
        told += await watcher.until(len(names))

    assert {before[JobId(event.job)] for event in told[: len(names)]} == names
    assert {after[JobId(event.job)] for event in told[len(names) :]} == names


async def test_a_watch_of_some_jobs_gives_no_others(house: House) -> None:
    jobs = [await house.add() for _ in range(4)]
    async with watching(house, of={"job_ids": jobs[1:3]}, from_oldest=True) as watcher:
        assert [event.job for event in await watcher.until(2)] == jobs[1:3]
        await house.jobs.cancel(jobs[0], reason="", force=False)
        await house.jobs.cancel(jobs[2], reason="", force=False)
        assert await watcher.until(1) == (await all_told(house))[-1:]


async def test_bookmarks_move_on_while_nothing_comes_that_is_wanted(house: House) -> None:
    async with watching(house, of={"queues": ["none"]}, heartbeat=SECOND / 20) as watcher:
        positions = [(await watcher.take()).position]
        for _ in range(3):
            await house.add()
            forced = await house.ticker.now()
            async with asyncio.timeout(5):
                while (delivery := await watcher.take()).position < forced:  # type: ignore[operator]
                    assert delivery.matches == ()
            positions.append(delivery.position)

    assert positions == sorted(set(positions), key=positions.index)
    assert positions[0] < positions[-1]  # type: ignore[operator]
    assert await told_from(house, positions[1], 2) == (await all_told(house))[1:]  # type: ignore[arg-type]
