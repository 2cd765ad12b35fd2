"""A verb that is overtaken by another move of its job acts on where the job is then, or is refused for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import pytest

from gosynq_client.worker.leases import Lease, RefusalReason, Result
from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.errors import GosynqError, JobNotFound, JobProcessing, JobTerminal
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.store import jobs, statements
from gosynq_server.store.jobs import Promoted
from gosynq_server.store.leases import WHENEVER
from tests.service.house import DAY, FAILED, HOUR, SECOND, House, overtaken, until_blocked_by
from tests.service.invariants import events_of

Arguments: TypeAlias = Callable[[str], tuple[object, ...]]

LATER = datetime(2100, 1, 1, tzinfo=UTC)
NOTHING: tuple[object, ...] = ([], [], [], [])
ERRORS = (["failed"], ['{"type":"E","message":"m","non_retryable":false}'], [""])
LOST = (["lease_expired"], ['{"type":"E","message":"m","non_retryable":false,"lost":true}'], [""])


ENDED = ["completed", "failed", "cancelled"]


def _by_id(*more: object) -> Arguments:
    return lambda job_id: ("q", job_id, *more)


def _by_ids(*more: object) -> Arguments:
    return lambda job_id: ("q", [job_id], *more)


def _ended(*more: object) -> Arguments:
    """Name the first lease of a job, whatever its end, and what comes after."""
    return lambda job_id: ("q", [job_id], [1], WHENEVER, *more)


def _limit(*more: object) -> Arguments:
    return lambda job_id: more


FROM_SCHEDULED: dict[str, tuple[Arguments, str | None]] = {
    "jobs_promote": (_limit("q", 10), "pending"),
    "jobs_reschedule_scheduled": (_by_id(LATER), "pending"),
    "jobs_cancel_scheduled": (_by_ids(DAY, DAY, "rival"), "cancelled"),
    "jobs_expire_scheduled": (_limit(10, DAY, DAY), "cancelled"),
    "jobs_delete_scheduled": (_by_ids(), None),
}
FROM_READY: dict[str, tuple[Arguments, str | None]] = {
    "leases_exchange": (_limit("q", *NOTHING, DAY, ["k"], 1, "rival", HOUR, None, DAY, None), "processing"),
    "jobs_reschedule_ready": (_by_id(LATER), "pending"),
    "jobs_cancel_ready": (_by_ids(DAY, DAY, "rival"), "cancelled"),
    "jobs_expire_ready": (_limit(10, DAY, DAY), "cancelled"),
    "jobs_delete_ready": (_by_ids(), None),
}
FROM_RUNNING: dict[str, tuple[Arguments, str | None]] = {
    "leases_exchange": (
        lambda job_id: ("q", [job_id], [1], [None], [None], DAY, ["k"], 0, "rival", HOUR, None, DAY, None),
        "completed",
    ),
    "leases_retry": (_ended([SECOND], [1], [0], *ERRORS), "pending"),
    "leases_dead_letter": (_ended([DAY], [1], [0], *ERRORS), "failed"),
    "leases_snooze": (_ended([HOUR]), "pending"),
    "leases_release": (_ended(), "pending"),
    "jobs_request_cancel": (_by_ids("rival"), "processing"),
    "jobs_cancel_running": (_by_id(DAY, "rival"), "cancelled"),
    "jobs_delete_running": (_by_id(), None),
}
FROM_FINISHED: dict[str, tuple[Arguments, str | None]] = {
    "jobs_retry_finished": (_by_ids(None, [timedelta()], ENDED), "pending"),
    "jobs_delete_finished": (_by_ids(ENDED), None),
}


async def cancel(house: House, job_id: str) -> Any:
    return await house.jobs.cancel(job_id, reason="verb", force=False)


async def cancel_by_force(house: House, job_id: str) -> Any:
    return await house.jobs.cancel(job_id, reason="verb", force=True)


async def retry(house: House, job_id: str) -> Any:
    return await house.jobs.retry(job_id, run_at=LATER)


async def delete(house: House, job_id: str) -> Any:
    return await house.jobs.delete(job_id, force=False, allow_missing=False)


async def delete_by_force(house: House, job_id: str) -> Any:
    return await house.jobs.delete(job_id, force=True, allow_missing=False)


Verb: TypeAlias = Callable[[House, str], Any]
Expected: TypeAlias = type[GosynqError] | JobStatus | None

CANCEL: dict[str | None, Expected] = {
    "pending": JobStatus.CANCELLED,
    "processing": JobStatus.PROCESSING,
    "completed": JobTerminal,
    "failed": JobTerminal,
    "cancelled": JobStatus.CANCELLED,
    None: JobNotFound,
}
RETRY: dict[str | None, Expected] = {
    "pending": JobStatus.PENDING,
    "processing": JobProcessing,
    "completed": JobTerminal,
    "failed": JobStatus.PENDING,
    "cancelled": JobStatus.PENDING,
    None: JobNotFound,
}
DELETE: dict[str | None, Expected] = {
    "pending": None,
    "processing": JobProcessing,
    "completed": None,
    "failed": None,
    "cancelled": None,
    None: JobNotFound,
}
EXPECTED: dict[Verb, dict[str | None, Expected]] = {
    cancel: CANCEL,
    cancel_by_force: CANCEL | {"processing": JobStatus.CANCELLED},
    retry: RETRY,
    delete: DELETE,
    delete_by_force: DELETE | {"processing": None},
}
ALL = (cancel, cancel_by_force, retry, delete, delete_by_force)


async def _assert_outcome(house: House, job_id: str, *, answer: Any, verb: Verb, status: str | None) -> None:
    expected = EXPECTED[verb][status]
    if isinstance(expected, type):
        assert isinstance(answer, expected), answer
        assert (await house.stage(job_id) is None) == (status is None)
    elif expected is None:
        assert answer is None
        assert await house.stage(job_id) is None
    else:
        assert answer.status is expected, answer
        assert await house.jobs.get(job_id, with_content=False) == answer


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize("rival", FROM_SCHEDULED)
async def test_a_verb_on_a_scheduled_job_follows_it_where_it_went(house: House, rival: str, verb: Verb) -> None:
    job_id = await house.add(delay=HOUR)
    await house.sql.execute(
        "UPDATE gosynq.scheduled SET run_at = statement_timestamp(), expires_at = statement_timestamp()"
    )
    arguments, status = FROM_SCHEDULED[rival]

    answer = await overtaken(house, rival, arguments(job_id), verb(house, job_id))

    await _assert_outcome(house, job_id, answer=answer, verb=verb, status=status)


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize("rival", FROM_READY)
async def test_a_verb_on_a_ready_job_follows_it_where_it_went(house: House, rival: str, verb: Verb) -> None:
    job_id = await house.add()
    if rival == "jobs_expire_ready":
        await house.sql.execute("UPDATE gosynq.ready SET expires_at = statement_timestamp()")
    arguments, status = FROM_READY[rival]

    answer = await overtaken(house, rival, arguments(job_id), verb(house, job_id))

    await _assert_outcome(house, job_id, answer=answer, verb=verb, status=status)


@pytest.mark.parametrize("verb", [cancel, cancel_by_force, delete_by_force])
@pytest.mark.parametrize("rival", FROM_RUNNING)
async def test_a_verb_on_a_running_job_follows_it_where_it_went(house: House, rival: str, verb: Verb) -> None:
    job_id = (await house.started()).job_id
    arguments, status = FROM_RUNNING[rival]

    answer = await overtaken(house, rival, arguments(job_id), verb(house, job_id))

    await _assert_outcome(house, job_id, answer=answer, verb=verb, status=status)


@pytest.mark.parametrize("verb", [retry, delete, delete_by_force])
@pytest.mark.parametrize("rival", FROM_FINISHED)
async def test_a_verb_on_a_finished_job_follows_it_where_it_went(house: House, rival: str, verb: Verb) -> None:
    job_id = await house.add()
    await house.jobs.cancel(job_id, reason="", force=False)
    arguments, status = FROM_FINISHED[rival]

    answer = await overtaken(house, rival, arguments(job_id), verb(house, job_id))

    await _assert_outcome(house, job_id, answer=answer, verb=verb, status=status)


async def _overtaken_result(house: House, rival: str, lease: Lease, outcome: Outcome) -> list[RefusalReason]:
    arguments, _ = FROM_RUNNING[rival]
    answer = await overtaken(house, rival, arguments(lease.job_id), house.settle(lease, outcome))
    return [refusal.reason for refusal in answer.refusals]


OUTCOMES = [Succeeded(), FAILED, Snoozed(delay=HOUR), Released()]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
@pytest.mark.parametrize("rival", ["jobs_cancel_running", "jobs_delete_running"])
async def test_a_result_overtaken_by_a_forced_verb_is_told_that_its_lease_is_lost(
    house: House, rival: str, outcome: Outcome
) -> None:
    lease = await house.started()

    assert await _overtaken_result(house, rival, lease, outcome) == [RefusalReason.LEASE_LOST]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
async def test_a_result_overtaken_by_a_request_to_cancel_is_applied_as_it_says(house: House, outcome: Outcome) -> None:
    lease = await house.started()

    assert await _overtaken_result(house, "jobs_request_cancel", lease, outcome) == []

    succeeded = isinstance(outcome, Succeeded)
    expected = ["created", "started", "cancel_requested", "succeeded" if succeeded else "cancelled"]
    assert await events_of(house.sql, lease.job_id) == expected


async def test_a_failure_overtaken_by_a_request_to_cancel_keeps_its_job_for_the_jobs_own_retention(
    house: House,
) -> None:
    lease = await house.started(retention=30 * DAY)

    await _overtaken_result(house, "jobs_request_cancel", lease, FAILED)

    kept = await house.sql.fetchval("SELECT prune_on - (finished_at AT TIME ZONE 'UTC')::date FROM gosynq.finished")
    assert kept == 31


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
async def test_a_result_overtaken_by_the_rescuer_is_told_that_its_lease_is_lost(house: House, outcome: Outcome) -> None:
    lease = await house.started()
    await house.let_lease_run_out(lease)
    arguments = _ended([SECOND], [0], [1], *LOST)(lease.job_id)

    answer = await overtaken(house, "leases_retry", arguments, house.settle(lease, outcome))

    assert [refusal.reason for refusal in answer.refusals] == [RefusalReason.LEASE_LOST]
    assert await house.stage(lease.job_id) == "scheduled"


async def test_a_rescue_overtaken_by_a_success_leaves_the_job_completed(house: House) -> None:
    lease = await house.started()
    await house.let_lease_run_out(lease)
    arguments, _ = FROM_RUNNING["leases_exchange"]

    await overtaken(house, "leases_exchange", arguments(lease.job_id), house.leases.rescue(limit=10))

    assert await events_of(house.sql, lease.job_id) == ["created", "started", "succeeded"]


async def test_a_rescue_overtaken_by_a_heartbeat_leaves_the_lease_and_tells_of_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    lease = await house.started()
    await house.let_lease_run_out(lease)
    arguments = ("q", [lease.job_id], [lease.lease_seq], HOUR, None)

    await overtaken(house, "leases_extend", arguments, house.leases.rescue(limit=10))

    assert caplog.messages == []
    assert await house.stage(lease.job_id) == "running"
    assert await events_of(house.sql, lease.job_id) == ["created", "started"]


async def test_a_heartbeat_overtaken_by_a_rescue_is_told_that_the_lease_is_lost(house: House) -> None:
    lease = await house.started()
    await house.let_lease_run_out(lease)
    arguments = _ended([SECOND], [0], [1], *LOST)(lease.job_id)

    assert await overtaken(house, "leases_retry", arguments, house.leases.extend([lease])) == {}


@pytest.mark.parametrize("rival", ["jobs_cancel_ready", "jobs_delete_ready", "jobs_reschedule_ready"])
async def test_a_fetch_passes_by_a_job_that_a_verb_is_moving(house: House, rival: str) -> None:
    taken, other = await house.add(), await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            await connection.fetch(statements.load(rival), *FROM_READY[rival][0](taken))
            async with asyncio.timeout(5):
                leased = await house.lease(2)
    finally:
        await connection.close()

    assert [lease.job_id for lease in leased] == [other]


@pytest.mark.parametrize("rival", ["jobs_cancel_scheduled", "jobs_delete_scheduled", "jobs_reschedule_scheduled"])
async def test_the_stager_passes_by_a_job_that_a_verb_is_moving(house: House, rival: str) -> None:
    job_id = await house.add(delay=HOUR)
    await house.sql.execute("UPDATE gosynq.scheduled SET run_at = statement_timestamp()")
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            await connection.fetch(statements.load(rival), *FROM_SCHEDULED[rival][0](job_id))
            async with asyncio.timeout(5):
                assert await jobs.promote(house.database, "q", limit=10) == Promoted(ready_count=0, held_count=0)
    finally:
        await connection.close()


async def test_two_fetchers_share_the_ready_jobs(house: House) -> None:
    jobs = {await house.add() for _ in range(40)}

    shares = await asyncio.gather(*(house.lease(10, worker=f"w{number}") for number in range(8)))

    leased = [lease.job_id for share in shares for lease in share]
    assert len(leased) == len(set(leased))
    assert set(leased) | {lease.job_id for lease in await house.lease(40)} == jobs


async def test_a_verb_whose_job_went_round_to_the_same_stage_acts_on_it_there(house: House) -> None:
    lease = await house.started()
    connection = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks, connection.transaction():
            await connection.fetch(statements.load("leases_release"), *_ended()(lease.job_id))
            await connection.fetch(statements.load("leases_exchange"), *FROM_READY["leases_exchange"][0](lease.job_id))
            verb = tasks.create_task(house.jobs.cancel(lease.job_id, reason="verb", force=True))
            await until_blocked_by(house.sql, connection.get_server_pid())
    finally:
        await connection.close()

    assert verb.result().status is JobStatus.CANCELLED
    assert verb.result().lease_seq == 2


async def _work(house: House, worker: str) -> None:
    for outcome in (Succeeded(), FAILED, Snoozed(delay=timedelta(0)), Released()) * 3:
        for lease in await house.lease(2, worker=worker):
            await house.exchange(Result(lease=lease, outcome=outcome), worker=worker)
        await house.database.fetch("jobs_promote", "q", 10)


async def _meddle(house: House, verb: Verb, jobs: list[JobId]) -> None:
    for job_id in jobs:
        with suppress(JobNotFound, JobProcessing, JobTerminal):
            await verb(house, job_id)


async def test_verbs_and_workers_all_at_once_break_nothing(house: House) -> None:
    jobs = [await house.add(max_retries=1) for _ in range(12)]

    async with asyncio.TaskGroup() as tasks:
        for worker in ("w1", "w2", "w3"):
            tasks.create_task(_work(house, worker))
        for verb in (cancel, cancel_by_force, retry, delete_by_force):
            tasks.create_task(_meddle(house, verb, jobs))
