"""Jobs that others take the place of are cancelled wherever they have moved to meanwhile."""

from __future__ import annotations

from dataclasses import replace

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobId, JobStatus, Stage
from gosynq_server.service.superseding import Superseded, Superseder
from gosynq_server.store import jobs
from tests.service.house import HOUR, WINDOW, House


async def _cancel_where_it_was(house: House, job: JobId) -> Superseded:
    """Cancel a job as one that was scheduled when it was looked at."""
    location = await jobs.locate(house.database, job)
    assert location is not None
    superseder = Superseder(house.queues, house.wakeups, window=WINDOW)
    async with house.database.transaction() as transaction:
        return await superseder.cancel(transaction, {job: replace(location, stage=Stage.SCHEDULED)}, reason="new")


async def test_one_that_became_ready_meanwhile_is_cancelled(house: House) -> None:
    job = await house.add()
    assert await _cancel_where_it_was(house, job) == Superseded(finished=[job])
    assert (await house.job(job)).status is JobStatus.CANCELLED


async def test_the_worker_of_one_that_was_leased_meanwhile_is_asked(house: House) -> None:
    lease = await house.started()
    assert await _cancel_where_it_was(house, JobId(lease.job_id)) == Superseded(asked=[JobId(lease.job_id)])
    assert (await house.job(lease.job_id)).cancel_requested_at is not None


async def test_one_that_ended_meanwhile_is_left_as_it_is(house: House) -> None:
    lease = await house.started()
    await house.settle(lease, Succeeded())
    assert await _cancel_where_it_was(house, JobId(lease.job_id)) == Superseded()
    assert (await house.job(lease.job_id)).status is JobStatus.COMPLETED


async def test_one_that_is_where_it_was_is_cancelled_there(house: House) -> None:
    job = await house.add(delay=HOUR)
    assert await _cancel_where_it_was(house, job) == Superseded(finished=[job])
