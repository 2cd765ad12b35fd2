"""Leases are granted in order, held by heartbeats, and ended once each."""

from __future__ import annotations

import asyncpg
import pytest

from gosynq_client.worker.leases import Exchange, Lease, ProgressReport, Refusal, RefusalReason, Result
from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import JobId, JobSpec, JobStatus, Priority
from gosynq_server.service.leases import key_of
from gosynq_server.store import statements
from tests.service.house import DAY, FAILED, FATAL, HOUR, SECOND, TIMED_OUT, House

ALREADY_APPLIED, LEASE_LOST = RefusalReason.ALREADY_APPLIED, RefusalReason.LEASE_LOST


async def test_one_exchange_completes_and_leases(house: House) -> None:
    first = await house.started()
    second = await house.add()

    answer = await house.exchange(Result(lease=first, outcome=Succeeded()), wanted=1)

    assert [lease.job_id for lease in answer.leases] == [second]
    assert answer.refusals == []
    assert (await house.job(first.job_id)).status is JobStatus.COMPLETED
    assert house.database.names.count("leases_exchange") == 2


async def test_a_lease_says_everything_about_its_job(house: House) -> None:
    job_id = await house.add(
        payload=b"p" * 2000,
        content_type="x/y",
        priority=Priority.HIGH,
        labels={"a": "b"},
        headers={"traceparent": "t"},
        lease_duration=HOUR,
        attempt_timeout=DAY,
        max_retries=7,
    )
    job = await house.job(job_id)

    lease = await house.lease_one()

    assert lease == Lease(
        job_id=job_id,
        queue="q",
        kind="k",
        priority=Priority.HIGH,
        lease_seq=1,
        lease_token="1.q",
        attempt=1,
        payload=b"p" * 2000,
        content_type="x/y",
        labels={"a": "b"},
        headers={"traceparent": "t"},
        max_retries=7,
        created_at=job.created_at,
        run_at=job.run_at,
        leased_at=lease.leased_at,
        lease_duration=HOUR,
        attempt_timeout=DAY,
    )
    held = await house.job(job_id)
    assert (held.started_at, held.lease_expires_at, held.worker_id) == (lease.leased_at, lease.leased_at + HOUR, "w")


async def test_a_result_is_kept_with_its_content_type(house: House) -> None:
    lease = await house.started()

    await house.settle(lease, Succeeded(result=b"\x00\xff", content_type="x/y"))

    job = await house.job(lease.job_id)
    assert (job.result, job.result_content_type) == (b"\x00\xff", "x/y")


async def test_jobs_are_leased_by_priority_and_then_in_the_order_in_which_they_became_ready(house: House) -> None:
    priorities = [Priority.LOW, Priority.NORMAL, Priority.CRITICAL, Priority.HIGH, Priority.NORMAL, Priority.CRITICAL]
    added = [await house.add(priority=priority) for priority in priorities]

    leased = [lease.job_id for lease in await house.lease(4)] + [lease.job_id for lease in await house.lease(4)]

    assert leased == [added[place] for place in (2, 5, 3, 1, 4, 0)]


async def test_only_jobs_of_the_asked_kinds_and_queue_are_leased(house: House) -> None:
    await house.add(kind="other")
    await house.add(queue="elsewhere")
    job_id = await house.add(kind="k2")

    assert [lease.job_id for lease in await house.lease(9, kinds=("k", "k2"))] == [job_id]


async def test_a_paused_queue_leases_nothing_and_still_takes_results(house: House) -> None:
    lease = await house.started()
    await house.add()
    await house.sql.execute("UPDATE gosynq.queues SET state = 'paused'")

    answer = await house.exchange(Result(lease=lease, outcome=Succeeded()), wanted=1)

    assert answer == Exchange(leases=[], refusals=[], replaced=[])
    assert await house.stage(lease.job_id) == "finished"


async def test_a_job_past_its_expiry_is_not_leased(house: House) -> None:
    await house.add()
    await house.sql.execute("UPDATE gosynq.ready SET expires_at = statement_timestamp()")

    assert await house.lease(1) == []


@pytest.mark.parametrize("wanted", [0, 1, 3])
async def test_no_plan_leases_more_than_is_wanted(house: House, wanted: int) -> None:
    await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k")] * 50)
    connection = await asyncpg.connect(house.url)
    try:
        await connection.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off")
        rows = await connection.fetch(
            statements.load("leases_exchange"), "q", [], [], [], [], DAY, ["k"], wanted, "w", HOUR, None, DAY, None
        )
    finally:
        await connection.close()

    assert len([row for row in rows if row["id"] is not None]) == wanted
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.running") == wanted


@pytest.mark.parametrize(
    "outcome",
    [Succeeded(), Succeeded(result=b"1", content_type="x"), FAILED, FATAL, TIMED_OUT, Snoozed(delay=HOUR), Released()],
)
async def test_a_repeated_result_is_told_that_it_was_applied(house: House, outcome: Outcome) -> None:
    lease = await house.started()
    await house.settle(lease, outcome)
    before = await house.job(lease.job_id)

    repeated = await house.settle(lease, outcome)

    assert repeated.refusals == [Refusal(lease=lease, reason=ALREADY_APPLIED)]
    assert await house.job(lease.job_id) == before


@pytest.mark.parametrize("second", [Succeeded(), FAILED])
async def test_another_result_after_the_first_changes_nothing(house: House, second: Outcome) -> None:
    lease = await house.started()
    await house.settle(lease, FAILED)

    assert (await house.settle(lease, second)).refusals == [Refusal(lease=lease, reason=ALREADY_APPLIED)]
    assert await house.stage(lease.job_id) == "scheduled"


@pytest.mark.parametrize("outcome", [Succeeded(), FAILED, Snoozed(delay=HOUR), Released()])
@pytest.mark.parametrize("past_deadline", [False, True])
async def test_a_result_after_the_lease_was_lost_is_refused_as_lost(
    house: House, outcome: Outcome, past_deadline: bool
) -> None:
    lease = await house.started(attempt_timeout=HOUR)
    await house.let_lease_run_out(lease, past_deadline=past_deadline)
    await house.leases.rescue(limit=10)
    before = await house.job(lease.job_id)

    assert (await house.settle(lease, outcome)).refusals == [Refusal(lease=lease, reason=LEASE_LOST)]
    assert await house.job(lease.job_id) == before


@pytest.mark.parametrize("outcome", [Succeeded(), FAILED, Snoozed(delay=HOUR), Released()])
async def test_a_stale_result_cannot_end_the_next_lease(house: House, outcome: Outcome) -> None:
    stale = await house.started()
    await house.let_lease_run_out(stale)
    await house.leases.rescue(limit=10)
    await house.make_due()
    current = await house.lease_one(worker="w2")

    assert current.lease_seq == stale.lease_seq + 1
    assert (await house.settle(stale, outcome)).refusals == [Refusal(lease=stale, reason=LEASE_LOST)]
    assert (await house.settle(current, Succeeded())).refusals == []


async def test_stale_and_current_results_of_one_job_in_one_exchange_are_told_apart(house: House) -> None:
    stale = await house.started()
    await house.let_lease_run_out(stale)
    await house.leases.rescue(limit=10)
    await house.make_due()
    current = await house.lease_one()

    answer = await house.exchange(*(Result(lease=lease, outcome=Succeeded()) for lease in (stale, current)))

    assert answer.refusals == [Refusal(lease=stale, reason=LEASE_LOST)]


async def test_only_jobs_that_really_ended_are_told_of(house: House) -> None:
    stale, current = await house.started(), await house.started()
    await house.let_lease_run_out(stale)
    await house.leases.rescue(limit=10)

    await house.exchange(*(Result(lease=lease, outcome=Succeeded()) for lease in (stale, current)))

    assert house.heard.finished == [current.job_id]


async def test_a_heartbeat_extends_by_the_lease_duration_and_saves_the_lease(house: House) -> None:
    lease = await house.started(lease_duration=HOUR)
    await house.let_lease_run_out(lease)

    (extended,) = (await house.leases.extend([lease])).values()

    assert not extended.cancel_requested
    assert HOUR - 10 * SECOND < extended.valid_for <= HOUR
    assert await house.leases.rescue(limit=10) == 0
    expires_in = await house.sql.fetchval("SELECT lease_expires_at - statement_timestamp() FROM gosynq.running")
    assert HOUR - 10 * SECOND < expires_in <= HOUR


@pytest.mark.parametrize("extended", [False, True])
async def test_a_lease_lasts_fifteen_seconds_beyond_the_attempts_deadline_at_most(house: House, extended: bool) -> None:
    lease = await house.started(lease_duration=HOUR, attempt_timeout=10 * SECOND)

    await house.leases.extend([lease] if extended else [])

    row = await house.sql.fetchrow("SELECT lease_expires_at, leased_at, attempt_deadline FROM gosynq.running")
    assert row is not None
    assert row["attempt_deadline"] == row["leased_at"] + 10 * SECOND
    assert row["lease_expires_at"] == row["leased_at"] + 25 * SECOND


async def test_heartbeats_of_many_queues_tell_which_leases_are_lost(house: House) -> None:
    held, lost = await house.started(), await house.started(queue="q2")
    await house.jobs.delete(lost.job_id, force=True, allow_missing=False)

    assert (await house.leases.extend([lost, held])).keys() == {key_of(held)}


async def test_a_heartbeat_hears_of_a_requested_cancel_and_why(house: House) -> None:
    lease = await house.started()
    await house.jobs.cancel(lease.job_id, reason="enough", force=False)

    (extended,) = (await house.leases.extend([lease])).values()

    assert (extended.cancel_requested, extended.cancel_reason) == (True, "enough")


async def test_progress_is_kept_while_it_runs_and_after_it_ended(house: House) -> None:
    lease = await house.started()
    await house.leases.report_progress([ProgressReport(lease=lease, current=1, total=9, message="m")])
    running = (await house.job(lease.job_id)).progress

    await house.settle(lease, Succeeded())

    assert running is not None
    assert (running.current, running.total, running.message) == (1, 9, "m")
    assert (await house.job(lease.job_id)).progress == running


async def test_progress_of_a_lost_lease_is_dropped(house: House) -> None:
    lease = await house.started()
    await house.settle(lease, Released())
    await house.lease_one()

    await house.leases.report_progress([ProgressReport(lease=lease, current=1, total=9, message="m")])

    assert (await house.job(lease.job_id)).progress is None


async def test_results_of_every_sort_in_one_exchange_are_each_applied(house: House) -> None:
    outcomes: list[Outcome] = [Succeeded(), FAILED, FATAL, Snoozed(delay=HOUR), Released(), Succeeded()]
    for _ in outcomes:
        await house.add()
    held = await house.lease(len(outcomes))
    results = [Result(lease=lease, outcome=outcome) for lease, outcome in zip(held, outcomes, strict=True)]

    answer = await house.exchange(*results, wanted=1)

    assert answer.refusals == []
    assert [lease.job_id for lease in answer.leases] == [held[4].job_id]
    stages = [await house.stage(lease.job_id) for lease in held]
    assert stages == ["finished", "scheduled", "finished", "scheduled", "running", "finished"]


async def test_failures_alone_take_no_round_trip_for_successes_and_leases(house: House) -> None:
    lease = await house.started()
    before = house.database.names.count("leases_exchange")

    assert (await house.settle(lease, FAILED)).refusals == []

    assert house.database.names.count("leases_exchange") == before


async def test_a_queues_own_lease_duration_and_timeout_hold_for_jobs_that_say_nothing(house: House) -> None:
    await house.add()
    await house.sql.execute("UPDATE gosynq.queues SET lease_duration = '2 hours', attempt_timeout = '1 day'")
    house.forget_settings()

    lease = await house.lease_one()

    assert (lease.lease_duration, lease.attempt_timeout) == (2 * HOUR, DAY)
    assert (await house.job(JobId(lease.job_id))).lease_expires_at == lease.leased_at + 2 * HOUR
