"""A watch of jobs ends when they have, and not for an end that is past."""

from __future__ import annotations

from typing import Any

import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lifecycle import EventType
from tests.service.house import FAILED, House
from tests.service.watching import (
    Told,
    succeed,
    told_in,
    watching,
)


def named(events: list[Told]) -> list[str]:
    return [event.type for event in events]


async def test_a_watch_of_ended_and_missing_jobs_ends_at_once(house: House) -> None:
    job = await succeed(house)
    gone = JobId("0195e7a4-5a5a-7000-8000-000000000001")
    async with watching(house, of={"job_ids": [job, gone]}, stop_when_terminal=True) as watcher:
        (first,) = await watcher.rest()
    assert first.matches == ()


async def test_a_watch_of_an_ended_job_from_the_oldest_gives_its_events_and_ends(house: House) -> None:
    job = await succeed(house)
    async with watching(house, of={"job_ids": [job]}, from_oldest=True, stop_when_terminal=True) as watcher:
        told = [event for delivery in await watcher.rest() for event in told_in(delivery.matches)]

    assert named(told) == ["created", "started", "succeeded"]


async def test_a_watch_ends_when_the_last_of_its_jobs_has_ended_or_is_gone(house: House) -> None:
    first, second, third = await house.started(), await house.add(queue="q2"), await house.add(queue="q3")
    jobs = [first.job_id, second, third]
    async with watching(house, of={"job_ids": jobs}, stop_when_terminal=True) as watcher:
        await watcher.take()
        await house.settle(first, Succeeded())
        await house.jobs.cancel(second, reason="", force=False)
        assert len(await watcher.until(2)) == 2
        await house.jobs.delete(third, force=False, allow_missing=False)
        told = [event for delivery in await watcher.rest() for event in told_in(delivery.matches)]

    assert [(event.type, event.job) for event in told] == [("deleted", third)]


async def test_a_failure_that_is_retried_does_not_end_a_watch(house: House) -> None:
    lease = await house.started()
    async with watching(house, of={"job_ids": [lease.job_id]}, stop_when_terminal=True) as watcher:
        await watcher.take()
        await house.settle(lease, FAILED)
        assert named(await watcher.until(1)) == ["failed"]
        await house.jobs.cancel(lease.job_id, reason="", force=False)
        told = [event for delivery in await watcher.rest() for event in told_in(delivery.matches)]
    assert named(told) == ["cancelled"]


async def test_the_old_end_of_a_job_that_was_retried_does_not_end_a_watch(house: House) -> None:
    lease = await house.started(max_retries=0)
    await house.settle(lease, FAILED)
    await house.jobs.retry(lease.job_id, run_at=None)
    async with watching(house, of={"job_ids": [lease.job_id]}, from_oldest=True, stop_when_terminal=True) as watcher:
        assert named(await watcher.until(5)) == ["created", "started", "failed", "dead_lettered", "requeued"]
        await house.jobs.cancel(lease.job_id, reason="", force=False)
        told = [event for delivery in await watcher.rest() for event in told_in(delivery.matches)]
    assert named(told) == ["cancelled"]


@pytest.mark.parametrize("conditions", [{"types": [EventType.CREATED]}, {"queues": ["other"]}, {"kinds": ["other"]}])
@pytest.mark.parametrize("from_oldest", [True, False])
async def test_a_watch_ends_with_its_jobs_though_their_end_is_not_wanted(
    house: House, conditions: dict[str, Any], from_oldest: bool
) -> None:
    job = await house.add()
    query = {"from_oldest": from_oldest, "stop_when_terminal": True}
    async with watching(house, of={"job_ids": [job], **conditions}, **query) as watcher:
        await watcher.take()
        await house.jobs.cancel(job, reason="", force=False)
        await house.ticker.now()
        told = [event for delivery in await watcher.rest() for event in told_in(delivery.matches)]

    assert named(told) == (["created"] if from_oldest and "types" in conditions else [])
