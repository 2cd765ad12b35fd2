"""What a session answers to results, over a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gosynq_client.worker.leases import Lease, RefusalReason
from gosynq_client.worker.outcomes import Cancelled, Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lease_names import LeaseRef, ref_of
from gosynq_server.domain.worker import Ack
from gosynq_server.service.work_session import WorkSession
from tests.service.house import FAILED, FATAL, PATIENCE_SECONDS, House
from tests.service.working import a_profile, told, working

REPEAT, LOST = RefusalReason.ALREADY_APPLIED, RefusalReason.LEASE_LOST


def an_ack(lease: Lease, status: JobStatus | None, refused: RefusalReason | None = None) -> Ack:
    return Ack(lease=ref_of(lease), refused=refused, job_status=status)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Succeeded(result=b"{}", content_type="application/json"), JobStatus.COMPLETED),
        (FAILED, JobStatus.PENDING),
        (FATAL, JobStatus.FAILED),
        (Snoozed(delay=timedelta(hours=1)), JobStatus.PENDING),
        (Released(), JobStatus.PENDING),
        (Cancelled(message="enough"), JobStatus.FAILED),
        (Succeeded(result=b"x" * 300_000, content_type="a/b"), JobStatus.FAILED),
    ],
    ids=["success", "failure", "fatal", "snooze", "release", "cancelled", "too large"],
)
async def test_each_outcome_is_applied_once_and_a_repeat_told_so_with_the_jobs_status(
    house: House, outcome: Outcome, status: JobStatus
) -> None:
    lease = await house.started()
    async with working(house) as worker:
        assert await worker.settled(told(lease, outcome)) == [an_ack(lease, status)]
        assert await worker.settled(told(lease, outcome)) == [an_ack(lease, status, REPEAT)]


async def test_a_result_behind_a_lost_lease_is_told_the_jobs_status_now(house: House) -> None:
    lost = await house.started()
    await house.let_lease_run_out(lost)
    await house.leases.rescue(limit=10)
    async with working(house) as worker:
        assert await worker.settled(told(lost)) == [an_ack(lost, JobStatus.PENDING, LOST)]
        await house.make_due()
        now = await house.lease_one()
        assert await worker.settled(told(lost)) == [an_ack(lost, JobStatus.PROCESSING, LOST)]
        assert await worker.settled(told(now)) == [an_ack(now, JobStatus.COMPLETED)]
        assert await worker.settled(told(lost, FAILED)) == [an_ack(lost, JobStatus.COMPLETED, LOST)]


async def test_a_result_of_a_job_that_was_deleted_has_no_status(house: House) -> None:
    lease = await house.started()
    await house.jobs.delete(lease.job_id, force=True, allow_missing=False)
    async with working(house) as worker:
        assert await worker.settled(told(lease)) == [an_ack(lease, None, LOST)]


async def test_a_lease_with_the_queue_of_another_job_in_its_name_is_no_lease(house: House) -> None:
    lease = await house.started()
    wrong = LeaseRef(job_id=lease.job_id, queue="other", lease_seq=lease.lease_seq)
    async with working(house) as worker:
        assert await worker.settled(told(wrong)) == [Ack(lease=wrong, refused=LOST, job_status=None)]
    assert await house.stage(lease.job_id) == "running"


async def test_of_two_results_for_one_lease_the_first_counts_and_the_other_is_a_repeat(house: House) -> None:
    lease = await house.started()
    async with working(house) as worker:
        answers = await worker.settled(told(lease, FATAL), told(lease))
    assert answers == [an_ack(lease, JobStatus.FAILED), an_ack(lease, JobStatus.FAILED, REPEAT)]
    assert (await house.job(lease.job_id)).status is JobStatus.FAILED


async def test_a_lease_that_another_server_granted_is_ended_here(house: House, elsewhere: House) -> None:
    [lease] = await _granted_by(elsewhere, house)
    async with working(house) as worker:
        assert await worker.settled(told(lease)) == [an_ack(lease, JobStatus.COMPLETED)]


async def _granted_by(elsewhere: House, house: House) -> list[Lease]:
    await house.add()
    return list(
        await elsewhere.workers.lease(a_profile(worker_id="other"), 1, wait=timedelta(), draining=asyncio.Event())
    )


async def test_results_that_the_database_refuses_are_kept_and_answered_later(house: House) -> None:
    good, bad = await house.started(), await house.started()
    await house.add()
    async with working(house, limit=3) as worker:
        await worker.granted_so_many(1)
        house.database.away = frozenset({"leases_exchange"})
        worker.session.offer([told(good), told(bad, FATAL)])
        async with asyncio.timeout(PATIENCE_SECONDS):
            await house.database.refused.wait()
        house.database.away = frozenset()
        await worker.until(lambda: len(worker.acks) == 2)
    assert {ack.lease.job_id: ack.job_status for ack in worker.acks} == {
        good.job_id: JobStatus.COMPLETED,
        bad.job_id: JobStatus.FAILED,
    }


async def test_an_offer_of_nothing_is_settled_at_once(house: House) -> None:
    async with working(house) as worker:
        worker.session.offer([])
        async with asyncio.timeout(5):
            await worker.session.finish()


async def test_answers_come_before_the_leases_that_take_their_place(house: House) -> None:
    lease = await house.started()
    await house.add()
    async with working(house) as worker:
        await _hold(worker.session, lease)
        worker.session.limit(1)
        worker.session.offer([told(lease)])
        await worker.until(lambda: worker.acks)
        assert worker.granted == []
        await worker.granted_so_many(1)


async def _hold(session: WorkSession, lease: Lease) -> None:
    await session.beat([ref_of(lease)])
