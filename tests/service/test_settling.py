"""What becomes of a job whose attempt ended: counted, put off, retried, cancelled or dead-lettered."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from gosynq_client.worker.leases import ProgressReport, Result
from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed, Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import AttemptOutcome, JobStatus
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride
from tests.service.house import DAY, FAILED, FATAL, HOUR, TIMED_OUT, House
from tests.service.invariants import events_of

FIXED = RetryPolicyOverride(strategy=BackoffStrategy.FIXED, initial_backoff=HOUR, jitter=0.0)


async def _delay(house: House, job_id: str) -> timedelta:
    """Return how long after the end of its last attempt a job is to run again."""
    job = await house.job(job_id)
    assert job.last_error is not None
    return job.run_at - job.last_error.occurred_at


async def test_a_failure_counts_and_gives_its_delivery_back(house: House) -> None:
    lease = await house.started(retry_policy=FIXED)

    await house.settle(lease, FAILED)

    job = await house.job(lease.job_id)
    assert (job.status, job.failures, job.deliveries, job.attempt) == (JobStatus.PENDING, 1, 0, 1)
    assert await _delay(house, job.id) == HOUR


async def test_failures_beyond_max_retries_dead_letter(house: House) -> None:
    await house.add(max_retries=2)
    statuses = []
    for _ in range(3):
        lease = await house.lease_one()
        await house.settle(lease, FAILED)
        job = await house.job(lease.job_id)
        statuses.append((job.status, job.failures))
        await house.make_due()

    assert statuses == [(JobStatus.PENDING, 1), (JobStatus.PENDING, 2), (JobStatus.FAILED, 3)]
    assert (await events_of(house.sql, job.id))[-2:] == ["failed", "dead_lettered"]


async def test_lost_leases_count_as_deliveries_and_dead_letter_at_the_limit(house: House) -> None:
    await house.add(max_deliveries=2, max_retries=0)
    for _ in range(2):
        lease = await house.lease_one()
        await house.let_lease_run_out(lease)
        assert await house.leases.rescue(limit=10) == 1
        await house.make_due()

    job = await house.job(lease.job_id)
    assert (job.status, job.failures, job.deliveries) == (JobStatus.FAILED, 0, 2)
    attempts = (await house.jobs.attempts(job.id, page_size=10, page_token="")).attempts
    assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LEASE_EXPIRED] * 2


async def test_a_lost_lease_past_its_attempts_deadline_counts_as_a_failure(house: House) -> None:
    lease = await house.started(attempt_timeout=HOUR)
    await house.let_lease_run_out(lease, past_deadline=True)

    await house.leases.rescue(limit=10)

    job = await house.job(lease.job_id)
    assert (job.failures, job.deliveries) == (1, 0)
    (attempt,) = (await house.jobs.attempts(job.id, page_size=10, page_token="")).attempts
    assert attempt.outcome is AttemptOutcome.TIMED_OUT


async def test_the_workers_own_delay_stands_in_for_the_back_off(house: House) -> None:
    lease = await house.started()

    await house.settle(lease, Failed(error=FAILED.error, retry_after=2 * DAY))

    assert await _delay(house, lease.job_id) == 2 * DAY


async def test_a_failure_that_is_not_to_be_retried_is_final(house: House) -> None:
    lease = await house.started()

    await house.settle(lease, FATAL)

    assert (await house.job(lease.job_id)).status is JobStatus.FAILED


@pytest.mark.parametrize("outcome", [Snoozed(delay=HOUR), Released()])
async def test_what_is_put_off_or_given_back_is_not_counted(house: House, outcome: Outcome) -> None:
    lease = await house.started()

    await house.settle(lease, outcome)

    job = await house.job(lease.job_id)
    assert (job.status, job.failures, job.deliveries, job.lease_seq) == (JobStatus.PENDING, 0, 0, 1)
    assert (await house.jobs.attempts(job.id, page_size=10, page_token="")).attempts == ()


async def test_what_is_given_back_is_ready_at_once(house: House) -> None:
    lease = await house.started()

    await house.settle(lease, Released())

    assert (await house.lease_one()).job_id == lease.job_id


@pytest.mark.parametrize(
    "outcome", [FAILED, FATAL, TIMED_OUT, Snoozed(delay=HOUR), Released(), Cancelled(message="stopped")]
)
async def test_a_requested_cancel_happens_however_the_attempt_ends(house: House, outcome: Outcome) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="enough", force=False)

    assert (await house.settle(lease, outcome)).refusals == []

    assert (await house.job(lease.job_id)).status is JobStatus.CANCELLED
    assert await events_of(house.sql, lease.job_id) == ["created", "started", "cancel_requested", "cancelled"]


async def test_a_requested_cancel_happens_when_the_lease_is_lost(house: House) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="enough", force=False)
    await house.let_lease_run_out(lease)

    await house.leases.rescue(limit=10)

    assert (await house.job(lease.job_id)).status is JobStatus.CANCELLED


async def test_a_success_after_a_requested_cancel_stays_a_success(house: House) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="enough", force=False)

    await house.settle(lease, Succeeded())

    assert (await house.job(lease.job_id)).status is JobStatus.COMPLETED


async def test_a_result_larger_than_the_limit_fails_the_job_for_good(house: House) -> None:
    lease, other = await house.started(), await house.started()
    await house.sql.execute("UPDATE gosynq.queues SET max_payload_bytes = 10")
    house.forget_settings()

    answer = await house.exchange(
        Result(lease=lease, outcome=Succeeded(result=b"x" * 11, content_type="x")),
        Result(lease=other, outcome=Succeeded(result=b"x" * 10, content_type="x")),
    )

    assert answer.refusals == []
    job = await house.job(lease.job_id)
    assert (job.status, job.result) == (JobStatus.FAILED, None)
    assert job.last_error is not None
    assert job.last_error.type == "ResultTooLarge"
    assert (await house.job(other.job_id)).status is JobStatus.COMPLETED


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "\\u0000", '"', "\U0001f600", "\ufffe"])
async def test_whatever_a_worker_says_can_be_stored(house: House, text: str) -> None:
    lease = await house.started()
    details = orjson.dumps({"said": "\x00"})
    error = AttemptError(type=text, message=text, stack_trace=text, details=details)
    await house.leases.report_progress([ProgressReport(lease=lease, current=1, total=2, message=text)])

    assert (await house.settle(lease, Failed(error=error))).refusals == []

    stored = (await house.job(lease.job_id)).last_error
    assert stored is not None
    shown = text.replace("\x00", "\u2400").replace("\ud800", "?")
    assert (stored.type, stored.message, stored.stack_trace, stored.details) == (shown, shown, shown, details)
