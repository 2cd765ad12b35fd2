"""Jobs are taken back from workers that are gone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gosynq_server.domain.job import JobStatus
from gosynq_server.maintenance.rescuer import Rescuer
from tests.service.house import House
from tests.service.invariants import events_of


async def test_every_expired_lease_is_taken_back_and_others_are_left(house: House) -> None:
    expired = [await house.started(queue=queue) for queue in ("q", "q2")]
    held = await house.started(queue="q3")
    for lease in expired:
        await house.let_lease_run_out(lease)

    pause = await Rescuer(house.leases).run_once()

    assert timedelta(0) < pause <= timedelta(seconds=2)
    assert [await house.stage(lease.job_id) for lease in expired] == ["scheduled"] * 2
    assert await house.stage(held.job_id) == "running"


async def test_one_round_takes_back_more_than_a_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.maintenance.rescuer._BATCH", 2)
    leases = [await house.started() for _ in range(5)]
    for lease in leases:
        await house.let_lease_run_out(lease)

    await Rescuer(house.leases).run_once()

    assert [await house.stage(lease.job_id) for lease in leases] == ["scheduled"] * 5


@pytest.mark.parametrize("max_retries", [0, 3])
async def test_of_jobs_that_are_taken_back_together_each_event_names_its_own_worker(
    house: House, max_retries: int
) -> None:
    for worker in ("w1", "w2"):
        await house.add(max_retries=max_retries, max_deliveries=max_retries + 1)
        await house.let_lease_run_out(await house.lease_one(worker=worker))

    await Rescuer(house.leases).run_once()

    rows = await house.sql.fetch("SELECT worker_id, job_ids FROM gosynq.events WHERE type IN ('started', 'failed')")
    workers_of = {
        job: {row["worker_id"] for row in rows if job in row["job_ids"]} for row in rows for job in row["job_ids"]
    }
    assert sorted(workers_of.values(), key=sorted) == [{"w1"}, {"w2"}]


async def test_rival_rescuers_take_a_lease_back_once(house: House) -> None:
    leases = [await house.started() for _ in range(10)]
    for lease in leases:
        await house.let_lease_run_out(lease)

    await asyncio.gather(*(Rescuer(house.leases).run_once() for _ in range(4)))

    for lease in leases:
        assert await events_of(house.sql, lease.job_id) == ["created", "started", "failed"]
        job = await house.job(lease.job_id)
        assert (job.status, job.failures, job.deliveries) == (JobStatus.PENDING, 0, 1)


async def test_rescuing_again_changes_nothing(house: House) -> None:
    lease = await house.started()
    await house.let_lease_run_out(lease)
    await Rescuer(house.leases).run_once()
    before = await house.job(lease.job_id)

    await Rescuer(house.leases).run_once()

    assert await house.job(lease.job_id) == before
