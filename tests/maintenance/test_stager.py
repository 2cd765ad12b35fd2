"""Due jobs are made ready, at their moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from gosynq_server.maintenance.loop import repeat
from gosynq_server.maintenance.stager import Stager
from gosynq_server.service.wakeups import Signal
from tests.service.house import HOUR, SECOND, House


def _stager(house: House, signal: Signal | None = None) -> Stager:
    return Stager(house.database, house.wakeups, signal=signal or Signal())


async def _due(house: House, job_id: str, ahead: timedelta) -> None:
    await house.sql.execute(
        "UPDATE gosynq.scheduled SET run_at = statement_timestamp() + $2::interval WHERE id = $1", job_id, ahead
    )


async def test_due_jobs_of_every_queue_become_ready_and_others_stay(house: House) -> None:
    due = [await house.add(queue=queue, delay=HOUR) for queue in ("q", "q", "q2")]
    later = await house.add(delay=HOUR)
    for job_id in due:
        await _due(house, job_id, -SECOND)
    house.heard.ready.clear()

    await _stager(house).run_once()

    assert [await house.stage(job_id) for job_id in due] == ["ready"] * 3
    assert await house.stage(later) == "scheduled"
    assert sorted(house.heard.ready) == ["q", "q2"]


async def test_a_promoted_job_keeps_its_revision_and_stands_behind_those_that_were_ready(house: House) -> None:
    promoted = await house.add(delay=HOUR)
    ready = await house.add()
    await _due(house, promoted, -HOUR)

    await _stager(house).run_once()

    assert (await house.job(promoted)).revision == 1
    assert [lease.job_id for lease in await house.lease(2)] == [ready, promoted]


async def test_the_next_look_is_at_the_next_start(house: House) -> None:
    soon, late = await house.add(delay=HOUR), await house.add(queue="q2", delay=HOUR)
    assert await _stager(house).run_once() == SECOND

    await _due(house, soon, timedelta(milliseconds=500))
    await _due(house, late, timedelta(milliseconds=900))
    assert timedelta(0) < await _stager(house).run_once() <= timedelta(milliseconds=500)


async def test_without_jobs_it_looks_after_a_second(house: House) -> None:
    assert await _stager(house).run_once() == SECOND


async def test_a_job_that_is_due_sooner_than_thought_wakes_it(house: House) -> None:
    signal = Signal()
    stager = _stager(house, signal)
    house.wakeups.add(stager)
    await house.add()
    assert not await signal.wait(0)

    await house.add(delay=HOUR)

    assert await signal.wait(0)


async def test_looking_again_changes_nothing(house: House) -> None:
    job_id = await house.add(delay=HOUR)
    await _due(house, job_id, -SECOND)
    await _stager(house).run_once()
    before = await house.job(job_id)

    await _stager(house).run_once()

    assert await house.job(job_id) == before


async def test_the_loop_outlives_a_failing_round(house: House) -> None:
    done = asyncio.Event()

    class Faulty:
        rounds = 0

        async def run_once(self) -> timedelta:
            self.rounds += 1
            if self.rounds == 1:
                raise ValueError("no luck")
            done.set()
            return HOUR

    signal = Signal()
    signal.set()
    looping = asyncio.create_task(repeat(Faulty(), signal=signal))
    async with asyncio.timeout(5):
        await done.wait()
    looping.cancel()
