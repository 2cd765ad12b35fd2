"""Reading jobs, and the verbs on them where nobody interferes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.outcomes import Failed, Released, Succeeded
from gosynq_server.domain.errors import JobNotFound, JobProcessing, JobTerminal, PageTokenInvalid, ValidationFailed
from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import AttemptOutcome, JobStatus, Stage
from gosynq_server.domain.listing import AttemptPage
from tests.service.house import DAY, FAILED, HOUR, House
from tests.service.invariants import events_of

LATER = datetime(2100, 1, 1, tzinfo=UTC)
UNKNOWN = new_job_id()


async def _dead_lettered(house: House, **spec: object) -> Lease:
    lease = await house.started(max_retries=0, **spec)
    await house.settle(lease, FAILED)
    return lease


@pytest.mark.parametrize("with_content", [True, False])
async def test_a_job_is_read_with_or_without_its_content(house: House, with_content: bool) -> None:
    job_id = await house.add(payload=b"p" * 2000, headers={"h": "1"})

    job = await house.jobs.get(job_id, with_content=with_content)

    assert (job.payload, dict(job.headers)) == ((b"p" * 2000, {"h": "1"}) if with_content else (None, {}))


async def test_an_id_of_nothing_is_not_found_by_any_verb(house: House) -> None:
    for call in (
        house.jobs.get(UNKNOWN, with_content=True),
        house.jobs.cancel(UNKNOWN, reason="", force=False),
        house.jobs.retry(UNKNOWN, run_at=None),
        house.jobs.delete(UNKNOWN, force=True, allow_missing=False),
        house.jobs.wait(UNKNOWN, HOUR),
        house.jobs.attempts(UNKNOWN, page_size=1, page_token=""),
    ):
        with pytest.raises(JobNotFound):
            await call


async def test_an_id_that_is_none_is_refused(house: House) -> None:
    with pytest.raises(ValidationFailed):
        await house.jobs.get("1; DROP TABLE", with_content=True)


async def test_deleting_what_is_missing_is_fine_where_it_is_allowed(house: House) -> None:
    await house.jobs.delete(UNKNOWN, force=False, allow_missing=True)


async def test_cancelling_twice_is_cancelling_once(house: House) -> None:
    job_id = await house.add()
    first = await house.jobs.cancel(job_id, reason="a", force=False)

    assert await house.jobs.cancel(job_id, reason="b", force=False) == first
    assert await events_of(house.sql, job_id) == ["created", "cancelled"]


async def test_asking_twice_to_cancel_a_running_job_keeps_the_first_reason(house: House) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="a", force=False)

    job = await house.jobs.cancel(lease.job_id, reason="b", force=False)

    assert job.status is JobStatus.PROCESSING
    assert await events_of(house.sql, lease.job_id) == ["created", "started", "cancel_requested"]
    assert await house.sql.fetchval("SELECT cancel_reason FROM gosynq.running") == "a"


@pytest.mark.parametrize("force", [False, True])
async def test_any_reason_can_be_given(house: House, force: bool) -> None:
    for job_id in ((await house.started()).job_id, await house.add()):
        await house.jobs.cancel(job_id, reason="a\x00\ud800\u2028", force=force)

    (row,) = await house.sql.fetch("SELECT DISTINCT cancel_reason FROM gosynq.jobs")
    assert row["cancel_reason"] == "a\u2400?\u2028"


@pytest.mark.parametrize("outcome", [Succeeded(), Failed(error=FAILED.error, retry_after=DAY)])
async def test_a_job_that_ended_of_itself_cannot_be_cancelled(house: House, outcome: Succeeded | Failed) -> None:
    lease = await house.started(max_retries=0)
    await house.settle(lease, outcome)

    with pytest.raises(JobTerminal):
        await house.jobs.cancel(lease.job_id, reason="", force=True)


async def test_a_dead_lettered_job_starts_afresh_and_keeps_its_story(house: House) -> None:
    lease = await _dead_lettered(house)

    job = await house.jobs.retry(lease.job_id, run_at=None)

    assert (job.status, job.failures, job.deliveries, job.lease_seq) == (JobStatus.PENDING, 0, 0, 1)
    assert job.last_error is not None
    await house.make_due()
    assert (await house.lease_one()).lease_seq == 2


async def test_a_payload_that_stands_apart_outlives_a_retry(house: House) -> None:
    lease = await _dead_lettered(house, payload=b"p" * 5000)
    await house.jobs.retry(lease.job_id, run_at=None)
    await house.make_due()

    assert (await house.lease_one()).payload == b"p" * 5000


async def test_a_ready_job_is_put_off_and_a_scheduled_one_brought_forward(house: House) -> None:
    job_id = await house.add()
    put_off = await house.jobs.retry(job_id, run_at=LATER)
    assert (put_off.stage, put_off.run_at) == (Stage.SCHEDULED, LATER)

    forward = await house.jobs.retry(job_id, run_at=None)
    assert forward.run_at < datetime.now(UTC) + HOUR


async def test_a_ready_job_told_to_run_now_stays_as_it_is(house: House) -> None:
    before = await house.job(await house.add())

    await house.jobs.retry(before.id, run_at=None)

    assert await house.job(before.id) == before


async def test_running_and_completed_jobs_cannot_be_retried(house: House) -> None:
    lease = await house.started()
    with pytest.raises(JobProcessing) as refusal:
        await house.jobs.retry(lease.job_id, run_at=None)
    assert refusal.value.metadata["worker_id"] == "w"

    await house.settle(lease, Succeeded())
    with pytest.raises(JobTerminal):
        await house.jobs.retry(lease.job_id, run_at=None)


async def test_a_running_job_is_deleted_only_by_force(house: House) -> None:
    lease = await house.started(payload=b"p" * 5000)
    with pytest.raises(JobProcessing):
        await house.jobs.delete(lease.job_id, force=False, allow_missing=False)

    await house.jobs.delete(lease.job_id, force=True, allow_missing=False)

    assert await house.stage(lease.job_id) is None
    assert house.heard.cancels == [(lease.job_id, "deleted")]


async def test_deleting_takes_attempts_and_payload_along(house: House) -> None:
    lease = await _dead_lettered(house, payload=b"p" * 5000)

    await house.jobs.delete(lease.job_id, force=False, allow_missing=False)

    for table in ("attempts", "payloads"):
        assert await house.sql.fetchval(f"SELECT count(*) FROM gosynq.{table}") == 0  # noqa: S608 - two names of ours


async def _lived(house: House) -> str:
    """Make a job with a failed, a lost, a given-back, and a good attempt."""
    await house.add()
    first = await house.lease_one(worker="w1")
    await house.settle(first, FAILED)
    await house.make_due()
    second = await house.lease_one(worker="w2")
    await house.let_lease_run_out(second)
    await house.leases.rescue(limit=1)
    await house.make_due()
    await house.settle(await house.lease_one(worker="w3"), Released())
    last = await house.lease_one(worker="w4")
    await house.settle(last, Succeeded())
    return last.job_id


async def test_attempts_are_told_newest_first_the_good_one_too(house: House) -> None:
    job_id = await _lived(house)

    page = await house.jobs.attempts(job_id, page_size=10, page_token="")

    assert page.next_page_token == ""
    told = [(attempt.lease_seq, attempt.attempt, attempt.worker_id, attempt.outcome) for attempt in page.attempts]
    assert told == [
        (4, 3, "w4", AttemptOutcome.SUCCEEDED),
        (2, 2, "w2", AttemptOutcome.LEASE_EXPIRED),
        (1, 1, "w1", AttemptOutcome.FAILED),
    ]
    assert [attempt.error and attempt.error.type for attempt in page.attempts] == [None, "LeaseExpired", "Boom"]


async def test_a_running_attempt_is_told_as_such(house: House) -> None:
    lease = await house.started()

    (attempt,) = (await house.jobs.attempts(lease.job_id, page_size=10, page_token="")).attempts

    assert (attempt.outcome, attempt.finished_at, attempt.started_at) == (
        AttemptOutcome.RUNNING,
        None,
        lease.leased_at,
    )


async def test_attempts_come_in_pages(house: House) -> None:
    job_id = await _lived(house)
    pages: list[list[int]] = []
    token = ""
    while not pages or token:
        page: AttemptPage = await house.jobs.attempts(job_id, page_size=1, page_token=token)
        pages.append([attempt.lease_seq for attempt in page.attempts])
        token = page.next_page_token

    assert pages == [[4], [2], [1]]
    with pytest.raises(PageTokenInvalid):
        await house.jobs.attempts(job_id, page_size=1, page_token="x")


async def test_a_job_tells_the_error_of_its_last_bad_attempt(house: House) -> None:
    job = await house.job(await _lived(house))

    assert job.last_error is not None
    assert (job.last_error.type, job.last_error.attempt) == ("LeaseExpired", 2)


async def test_waiting_for_an_ended_job_returns_at_once(house: House) -> None:
    lease = await house.started()
    await house.settle(lease, Succeeded(result=b"1", content_type="x"))

    assert (await house.jobs.wait(lease.job_id, HOUR)).result == b"1"


async def test_waiting_ends_when_the_job_ends_here(house: House) -> None:
    lease = await house.started()
    waiting = asyncio.create_task(house.jobs.wait(lease.job_id, HOUR))
    async with asyncio.timeout(5):
        while lease.job_id not in house.waits._waiting:  # noqa: ASYNC110, SLF001 - nothing else tells that it waits
            await asyncio.sleep(0)

    await house.settle(lease, Succeeded())

    async with asyncio.timeout(5):
        assert (await waiting).status is JobStatus.COMPLETED


async def test_waiting_ends_with_the_time_and_tells_the_job_as_it_is(house: House) -> None:
    job_id = await house.add()

    assert (await house.jobs.wait(job_id, timedelta(milliseconds=1))).status is JobStatus.PENDING


async def test_waiting_ends_when_the_server_drains(house: House) -> None:
    job_id = await house.add()
    house.waits.close()

    async with asyncio.timeout(5):
        assert (await house.jobs.wait(job_id, HOUR)).status is JobStatus.PENDING
