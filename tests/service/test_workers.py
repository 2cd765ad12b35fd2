"""Single calls of workers that have no session, over a real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Cancelled, Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.errors import LeaseLost
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lease_names import LeaseRef, RemoteProgress, ref_of
from gosynq_server.domain.worker import LeaseStatus, Subscription
from tests.service.house import FAILED, FATAL, HOUR, PATIENCE_SECONDS, SECOND, House
from tests.service.working import a_profile, told

NO_TIME = timedelta()


async def _lease(house: House, wanted: int = 1, **said: Any) -> Sequence[Lease]:
    wait, draining = said.pop("wait", NO_TIME), said.pop("draining", asyncio.Event())
    queues = said.pop("queues", ())
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await house.workers.lease(a_profile(*queues, **said), wanted, wait=wait, draining=draining)


async def test_no_job_in_time_is_an_empty_answer(house: House) -> None:
    before = time.monotonic()
    assert await _lease(house) == ()
    assert await _lease(house, wait=timedelta(seconds=0.2)) == ()
    assert 0.2 <= time.monotonic() - before < 5


async def test_a_wait_ends_at_once_with_a_job_that_is_added_here(house: House) -> None:
    waiting = await _waiting(house)
    added_at = time.monotonic()
    job = await house.add()
    [lease] = await waiting
    assert lease.job_id == job
    assert time.monotonic() - added_at < 0.9


async def test_a_wait_ends_within_a_second_or_so_with_a_job_that_is_added_elsewhere(
    house: House, elsewhere: House
) -> None:
    waiting = await _waiting(house)
    job = await elsewhere.add()
    [lease] = await waiting
    assert lease.job_id == job


async def _waiting(house: House) -> asyncio.Task[Sequence[Lease]]:
    """Begin to wait for a job; return once the tables were looked at."""
    waiting = asyncio.create_task(_lease(house, wait=HOUR))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "queues_ready" not in house.database.names:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    return waiting


async def test_a_server_that_drains_hands_out_nothing_and_waits_no_longer(house: House) -> None:
    draining = asyncio.Event()
    waiting = asyncio.create_task(_lease(house, wait=HOUR, draining=draining))
    await asyncio.sleep(0)
    draining.set()
    assert await waiting == ()
    job = await house.add()
    assert await _lease(house, draining=draining) == ()
    assert await house.stage(job) == "ready"


async def test_jobs_that_do_not_fit_into_one_answer_go_back_uncounted(house: House) -> None:
    for _ in range(3):
        await house.add(queue="a", payload=b"x" * 250_000, content_type="a/b")
        await house.add(queue="b", payload=b"x" * 250_000, content_type="a/b")
    leases = await _lease(house, 6, queues=[Subscription(queue="a"), Subscription(queue="b")])
    assert len(leases) == 4
    others = await house.sql.fetch("SELECT stage, deliveries, failures FROM gosynq.jobs WHERE stage <> 'running'")
    assert [tuple(row) for row in others] == [("ready", 0, 0)] * 2


async def test_a_queue_gives_no_more_at_once_than_was_said(house: House) -> None:
    for _ in range(3):
        await house.add(queue="few")
        await house.add(queue="none")
    queues = [Subscription(queue="few", max_in_flight=2), Subscription(queue="none", max_in_flight=0)]
    leases = await _lease(house, 9, queues=queues)
    assert [lease.queue for lease in leases] == ["few", "few"]


async def test_a_worker_of_no_kinds_gets_all_one_of_some_these_alone(house: House) -> None:
    this, that = await house.add(kind="this"), await house.add(kind="that")
    assert [lease.job_id for lease in await _lease(house, 9, kinds=["that"])] == [that]
    assert [lease.job_id for lease in await _lease(house, 9)] == [this]


async def test_leases_last_as_long_as_the_worker_says(house: House) -> None:
    await house.add(lease_duration=9 * SECOND)
    [lease] = await _lease(house, lease_duration=77 * SECOND)
    assert lease.lease_duration == 77 * SECOND


async def test_heartbeats_are_for_the_shortest_lease_of_the_queues(house: House) -> None:
    await house.add(queue="q")
    await house.sql.execute("UPDATE gosynq.queues SET lease_duration = interval '6 seconds'")
    house.forget_settings()
    queues = (Subscription(queue="q"), Subscription(queue="unknown"))
    assert await house.workers.heartbeat_interval(a_profile(*queues)) == 2 * SECOND
    assert await house.workers.heartbeat_interval(a_profile(lease_duration=3 * SECOND)) == SECOND


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Succeeded(), JobStatus.COMPLETED),
        (FAILED, JobStatus.PENDING),
        (FATAL, JobStatus.FAILED),
        (Snoozed(delay=HOUR), JobStatus.PENDING),
        (Released(), JobStatus.PENDING),
        (Cancelled(), JobStatus.FAILED),
    ],
    ids=["success", "failure", "fatal", "snooze", "release", "cancelled"],
)
async def test_an_end_is_applied_once_and_answered_alike_when_it_is_repeated(
    house: House, outcome: Outcome, status: JobStatus
) -> None:
    lease = await house.started()
    assert await house.workers.end(told(lease, outcome)) is status
    ended = await house.job(lease.job_id)
    assert await house.workers.end(told(lease, outcome)) is status
    assert await house.job(lease.job_id) == ended


async def test_an_end_behind_a_cancel_that_was_asked_for_cancels(house: House) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="", force=False)
    assert await house.workers.end(told(lease, Cancelled())) is JobStatus.CANCELLED


async def test_an_end_of_a_lost_lease_is_refused_with_the_jobs_status_now(house: House) -> None:
    lost = await house.started()
    await house.let_lease_run_out(lost)
    await house.leases.rescue(limit=10)
    await _refused(house, ref_of(lost), "pending")
    await house.make_due()
    now = await house.lease_one()
    await _refused(house, ref_of(lost), "processing")
    await house.workers.end(told(now))
    await _refused(house, ref_of(lost), "completed")


async def test_an_end_of_what_never_was_is_refused(house: House) -> None:
    lease = await house.started()
    await _refused(house, LeaseRef(job_id=lease.job_id, queue="other", lease_seq=1), "processing")
    await _refused(house, LeaseRef(job_id=lease.job_id, queue="q", lease_seq=2), "processing")
    await _refused(house, LeaseRef(job_id="0195e7a4-5a5a-7000-8000-000000000001", queue="q", lease_seq=1), "gone")


async def _refused(house: House, lease: LeaseRef, status: str) -> None:
    with pytest.raises(LeaseLost) as refusal:
        await house.workers.end(told(lease))
    assert refusal.value.metadata == {"job_id": lease.job_id, "status": status}


@pytest.mark.parametrize(("by", "expected"), [(None, 30 * SECOND), (5 * SECOND, 5 * SECOND), (12 * HOUR, 12 * HOUR)])
async def test_leases_are_extended_from_now(house: House, by: timedelta | None, expected: timedelta) -> None:
    lease = await house.started()
    gone = LeaseRef(job_id=lease.job_id, queue="q", lease_seq=9)
    [held, lost] = await house.workers.extend([ref_of(lease), gone], by=by)
    row = await house.sql.fetchrow("SELECT lease_expires_at FROM gosynq.running")
    assert row is not None
    assert held == LeaseStatus(lease=ref_of(lease), expires_at=row["lease_expires_at"], valid_for=expected)
    assert lost == LeaseStatus(lease=gone)


async def test_leases_extended_by_nothing_go_back_uncounted(house: House) -> None:
    leases = [await house.started(queue=queue) for queue in ("a", "b")]
    gone = LeaseRef(job_id=leases[0].job_id, queue="a", lease_seq=9)
    named = [*map(ref_of, leases), gone]
    assert await house.workers.extend(named, by=NO_TIME) == [LeaseStatus(lease=lease) for lease in named]
    rows = await house.sql.fetch("SELECT stage, deliveries FROM gosynq.jobs")
    assert [tuple(row) for row in rows] == [("ready", 0)] * 2


async def test_no_lease_is_extended_far_beyond_its_attempts_time(house: House) -> None:
    lease = await house.started(attempt_timeout=10 * SECOND)
    [status] = await house.workers.extend([ref_of(lease)], by=HOUR)
    assert status.valid_for is not None
    assert 20 * SECOND < status.valid_for <= 25 * SECOND


async def test_a_lease_that_nobody_took_back_at_its_end_has_no_time_left(house: House) -> None:
    lease = await house.started(attempt_timeout=10 * SECOND)
    await house.let_lease_run_out(lease, past_deadline=True)
    [status] = await house.workers.extend([ref_of(lease)], by=None)
    assert status.valid_for == NO_TIME


async def test_progress_is_kept_and_tells_of_a_cancel(house: House) -> None:
    lease = await house.started()
    assert await house.workers.report(_half(ref_of(lease))) is False
    await house.jobs.cancel(lease.job_id, reason="", force=False)
    assert await house.workers.report(_half(ref_of(lease))) is True
    progress = (await house.job(lease.job_id)).progress
    assert progress is not None
    assert (progress.current, progress.total, progress.message) == (1, 2, "half")


async def test_progress_under_a_lost_lease_is_refused(house: House) -> None:
    lease = await house.started()
    await house.settle(lease, Succeeded())
    with pytest.raises(LeaseLost) as refusal:
        await house.workers.report(_half(ref_of(lease)))
    assert refusal.value.metadata["status"] == "completed"


def _half(lease: LeaseRef) -> RemoteProgress:
    return RemoteProgress(lease=lease, current=1, total=2, message="half")
