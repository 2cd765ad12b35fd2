"""Who waits for a job is told of its end, wherever that was, and however many wait."""

from __future__ import annotations

import asyncio

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobStatus
from gosynq_server.service.event_tail import EventTail
from gosynq_server.service.ticker import Ticker
from gosynq_server.service.waits import Waits
from gosynq_server.service.wakeups import Signal
from tests.service.house import HOUR, PATIENCE_SECONDS, House, SpiedDatabase


async def test_a_job_that_ends_elsewhere_or_is_gone_is_told_of(house: House, elsewhere: House) -> None:
    ended, gone, pending = await house.started(), await house.started(queue="q2"), await house.add()
    waits = elsewhere.waits
    async with (
        waits.waiting_for(ended.job_id) as of_ended,  # type: ignore[arg-type] # an id is a text
        waits.waiting_for(gone.job_id) as of_gone,  # type: ignore[arg-type] # an id is a text
        waits.waiting_for(pending) as of_pending,
    ):
        await house.settle(ended, Succeeded())
        await house.jobs.delete(gone.job_id, force=True, allow_missing=False)

        async with asyncio.timeout(PATIENCE_SECONDS):
            await of_ended.wait()
            await of_gone.wait()

        assert not of_pending.is_set()


async def test_a_wait_outlasts_the_absence_of_the_database(house: House) -> None:
    job_id, ticked = await house.add(), Signal()
    async with SpiedDatabase(house.url) as database, asyncio.TaskGroup() as tasks:
        tail = EventTail(database, Ticker(database, ticked=ticked), ticked=ticked)
        waits = Waits(tail)
        reading = tasks.create_task(tail.run())
        async with waits.waiting_for(job_id) as ended:
            database.hold()
            await house.jobs.cancel(job_id, reason="", force=False)
            await house.ticker.now()
            async with asyncio.timeout(PATIENCE_SECONDS):
                while "ticks_after" not in database.names:
                    ticked.set()
                    await house.job(job_id)
                assert not ended.is_set()
                database.admit()
                await ended.wait()
        reading.cancel()


async def test_a_thousand_who_wait_cost_one_reader(house: House, elsewhere: House) -> None:
    ids = [await house.add() for _ in range(10)]
    waiting = [asyncio.create_task(elsewhere.jobs.wait(ids[number % 10], HOUR)) for number in range(1000)]
    async with asyncio.timeout(3 * PATIENCE_SECONDS):
        while elsewhere.tail.followers < len(waiting):
            await house.job(ids[0])
        for job_id in ids:
            await house.jobs.cancel(job_id, reason="", force=False)
        jobs = await asyncio.gather(*waiting)

    assert {job.status for job in jobs} == {JobStatus.CANCELLED}
    assert elsewhere.tail.followers == 0
