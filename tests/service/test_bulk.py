"""Bulk verbs on a real database: what they do, skip and say, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.bulk import BulkQuery, BulkSummary
from gosynq_server.domain.errors import DatabaseUnavailable, FilterInvalid, PageTokenInvalid
from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import JobId
from gosynq_server.service import bulk
from gosynq_server.store import statements
from tests.service.house import DAY, FAILED, HOUR, House, until_blocked_by
from tests.service.invariants import events_of

Call: TypeAlias = Callable[[House, BulkQuery], Awaitable[BulkSummary]]

ALL = BulkQuery(filter='id != ""')
LATER = datetime(2100, 1, 1, tzinfo=UTC)
LEASES_ONE: tuple[object, ...] = ("q", [], [], [], [], DAY, ["k"], 1, "rival", HOUR, None, DAY, None)


async def _cancel(house: House, query: BulkQuery) -> BulkSummary:
    return await house.bulk_jobs.cancel(query, reason="enough")


async def _retry(house: House, query: BulkQuery) -> BulkSummary:
    return await house.bulk_jobs.retry(query, run_at=None)


async def _delete(house: House, query: BulkQuery) -> BulkSummary:
    return await house.bulk_jobs.delete(query)


CALLS: dict[str, Call] = {"cancel": _cancel, "retry": _retry, "delete": _delete}


async def _one_of_each(house: House) -> dict[str, JobId]:
    """Make a job in every state, in two queues."""
    completed = await house.started()
    await house.settle(completed, Succeeded())
    failed = await house.started(max_retries=0)
    await house.settle(failed, FAILED)
    asked = await house.started()
    await house.jobs.cancel(asked.job_id, reason="first", force=False)
    cancelled = await house.add(queue="other")
    await house.jobs.cancel(cancelled, reason="", force=False)
    return {
        "completed": JobId(completed.job_id),
        "failed": JobId(failed.job_id),
        "asked": JobId(asked.job_id),
        "cancelled": cancelled,
        "running": JobId((await house.started()).job_id),
        "scheduled": await house.add(delay=HOUR),
        "other": await house.add(queue="other", payload=b"x" * 2000, idempotency_key="key"),
        "ready": await house.add(),
    }


AFFECTED: dict[str, tuple[list[str], dict[str, str]]] = {
    "cancel": (
        ["running", "scheduled", "other", "ready"],
        {"running": "processing", "scheduled": "cancelled", "other": "cancelled", "ready": "cancelled"},
    ),
    "retry": (["failed", "cancelled"], {"failed": "pending", "cancelled": "pending"}),
    "delete": (["completed", "failed", "cancelled", "scheduled", "other", "ready"], {}),
}


async def _statuses(house: House) -> dict[str, str]:
    return {str(row["id"]): row["status"] for row in await house.sql.fetch("SELECT id, status FROM gosynq.jobs")}


async def _through(house: House, call: Call, query: BulkQuery) -> list[BulkSummary]:
    """Call until there is no more."""
    summaries = [await call(house, query)]
    while summaries[-1].next_page_token:
        summaries.append(await call(house, replace(query, page_token=summaries[-1].next_page_token)))
    return summaries


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("by_ids", [False, True])
async def test_a_verb_acts_on_what_is_in_a_state_for_it_and_skips_the_rest(
    house: House, verb: str, by_ids: bool
) -> None:
    jobs = await _one_of_each(house)
    before = await _statuses(house)
    names, after = AFFECTED[verb]
    query = BulkQuery(job_ids=tuple(jobs.values())) if by_ids else ALL

    foreseen = await CALLS[verb](house, replace(query, validate_only=True))
    assert await _statuses(house) == before
    summary = await CALLS[verb](house, query)

    assert summary == foreseen
    assert summary == BulkSummary(
        affected=len(names),
        skipped=len(jobs) - len(names),
        sample=tuple(jobs[name] for name in names),
        next_page_token="",
    )
    now = await _statuses(house)
    untouched = {job: before[job] for name, job in jobs.items() if name not in names}
    assert now == untouched | {jobs[name]: status for name, status in after.items()}
    assert (await CALLS[verb](house, query)).affected == 0


@pytest.mark.parametrize("verb", CALLS)
async def test_pages_go_through_all_jobs_once_whatever_was_skipped(house: House, verb: str) -> None:
    jobs = await _one_of_each(house)
    names, _ = AFFECTED[verb]

    summaries = await _through(house, CALLS[verb], replace(ALL, limit=1))

    assert [job for summary in summaries for job in summary.sample] == [jobs[name] for name in names]
    assert sum(summary.skipped for summary in summaries) == len(jobs) - len(names)
    assert max(summary.affected for summary in summaries) == 1


@pytest.mark.parametrize("verb", CALLS)
async def test_ids_go_by_pages_too_and_those_of_nothing_are_skipped(house: House, verb: str) -> None:
    jobs = await _one_of_each(house)
    names, _ = AFFECTED[verb]
    ids = (*jobs.values(), *jobs.values(), new_job_id())

    summaries = await _through(house, CALLS[verb], BulkQuery(job_ids=ids, limit=2))

    assert [job for summary in summaries for job in summary.sample] == [jobs[name] for name in names]
    assert sum(summary.affected + summary.skipped for summary in summaries) == len(jobs) + 1


async def test_a_bulk_cancel_is_told_as_the_cancels_of_each_job(house: House) -> None:
    jobs = await _one_of_each(house)
    house.heard.finished.clear()
    house.heard.cancels.clear()

    await _cancel(house, ALL)

    assert set(house.heard.finished) == {jobs[name] for name in ("scheduled", "ready", "other")}
    assert house.heard.cancels == [(jobs["running"], "enough")]
    assert await events_of(house.sql, jobs["ready"]) == ["created", "cancelled"]
    assert await events_of(house.sql, jobs["running"]) == ["created", "started", "cancel_requested"]
    details = await house.sql.fetch("SELECT details FROM gosynq.events WHERE type = 'cancelled' AND queue = 'q'")
    assert {text for row in details for text in row["details"]} == {'{"message": "enough"}'}


async def test_running_jobs_of_several_workers_are_told_by_their_workers(house: House) -> None:
    for worker in ("a", "b", "a"):
        await house.add()
        await house.lease_one(worker=worker)
    await _cancel(house, ALL)
    rows = await house.sql.fetch(
        "SELECT worker_id, cardinality(job_ids) AS jobs FROM gosynq.events WHERE type = 'cancel_requested' ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(("retention", "days"), [(None, 1), (30 * DAY, 30), (HOUR, 1)])
async def test_a_cancelled_job_stays_as_long_as_it_says_and_a_day_at_least(
    house: House, retention: Any, days: int
) -> None:
    await house.add(retention=retention)
    await _cancel(house, ALL)
    left = await house.sql.fetchval("SELECT prune_on - finished_at::date - 1 FROM gosynq.finished")
    assert left == days


async def test_a_bulk_retry_can_be_for_later_and_a_bulk_delete_frees_keys(house: House) -> None:
    lease = await house.started(max_retries=0, idempotency_key="k")
    await house.settle(lease, FAILED)
    await house.bulk_jobs.retry(ALL, run_at=LATER)
    job = await house.job(lease.job_id)
    assert (job.run_at, job.attempt, house.heard.scheduled) == (LATER, 0, ["q"])
    await _delete(house, ALL)
    assert await house.add(idempotency_key="k") != lease.job_id


async def test_a_filter_that_finds_little_goes_through_no_more_than_it_looks_at(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_LOOK", 2)
    monkeypatch.setattr(bulk, "_LOOKING_SECONDS", -1.0)
    for number in range(7):
        await house.add(labels={"n": str(number)})

    summaries = await _through(house, _cancel, BulkQuery(filter="labels.n = 5"))

    assert [summary.affected for summary in summaries] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("status = failed AND kind = k", "jobs_select_ended_badly"),
        ("status = failed OR status = cancelled", "jobs_select_ended_badly"),
        ("status = failed OR kind = k", "jobs_select"),
        ("kind = k", "jobs_select"),
    ],
)
async def test_a_filter_for_what_ended_badly_looks_at_nothing_else(house: House, text: str, name: str) -> None:
    await _one_of_each(house)
    house.database.names.clear()
    await _retry(house, BulkQuery(filter=text, validate_only=True))
    assert house.database.names == [name]


async def test_many_jobs_are_acted_on_by_some_hundred_in_a_statement(house: House) -> None:
    await house.sql.execute(
        "INSERT INTO gosynq.ready (id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures,"
        " deliveries, content_type, payload, rank, ready_at)"
        " SELECT gen_random_uuid(), 'q', 'k', 2, now(), now(), 1, 0, 0, 0, 'x', '', now(), now()"
        " FROM generate_series(1, 1200)"
    )
    house.database.names.clear()
    summary = await _delete(house, replace(ALL, limit=1100))
    assert (summary.affected, len(summary.sample), bool(summary.next_page_token)) == (1100, 100, True)
    assert [name for name in house.database.names if name.startswith("jobs_delete")] == ["jobs_delete_ready"] * 5
    assert (await _through(house, _delete, ALL))[0].affected == 100
    await house.sql.execute("TRUNCATE gosynq.events")
    await house.sql.execute("SELECT gosynq.recount()")


async def test_what_was_done_stays_when_the_database_goes_away_and_the_call_is_repeated(house: House) -> None:
    for queue in ("a", "b"):
        await house.add(queue=queue, delay=HOUR)
        await house.add(queue=queue)
    house.database.away = frozenset({"jobs_cancel_scheduled"})
    with pytest.raises(DatabaseUnavailable):
        await _cancel(house, ALL)
    house.database.away = frozenset()
    summary = await _cancel(house, ALL)
    assert (summary.affected, summary.skipped) == (3, 1)


async def test_a_job_that_moves_on_meanwhile_is_acted_on_where_it_is(house: House) -> None:
    job, still = await house.add(), await house.add()
    summary = await _overtaken(house, "jobs_delete_ready", ("q", [still]), _cancel(house, ALL))
    assert (summary.affected, summary.skipped) == (1, 1)
    assert (await house.job(job)).status == "cancelled"


async def test_a_job_that_is_leased_meanwhile_is_asked_to_stop(house: House) -> None:
    job = await house.add()
    summary = await _overtaken(house, "leases_exchange", LEASES_ONE, _cancel(house, ALL))
    assert (summary.affected, summary.skipped) == (1, 0)
    assert (await house.job(job)).cancel_requested_at is not None


async def test_a_job_that_is_leased_meanwhile_is_not_deleted(house: House) -> None:
    await house.add()
    summary = await _overtaken(house, "leases_exchange", LEASES_ONE, _delete(house, ALL))
    assert (summary.affected, summary.skipped, summary.sample) == (0, 1, ())


async def _overtaken(
    house: House, rival: str, arguments: Sequence[object], call: Awaitable[BulkSummary]
) -> BulkSummary:
    """Let a rival's statement hold a row while a call begins, and commit."""
    connection = await asyncpg.connect(house.url)
    async with asyncio.TaskGroup() as tasks, connection.transaction():
        assert await connection.fetch(statements.load(rival), *arguments)
        calling = tasks.create_task(_awaited(call))
        await until_blocked_by(house.sql, connection.get_server_pid())
    await connection.close()
    return calling.result()


async def _awaited(call: Awaitable[BulkSummary]) -> BulkSummary:
    return await call


async def test_two_calls_at_once_share_the_jobs(house: House, elsewhere: House) -> None:
    for _ in range(50):
        await house.add()
    both = await asyncio.gather(*(_through(server, _delete, replace(ALL, limit=7)) for server in (house, elsewhere)))
    assert sum(summary.affected for summaries in both for summary in summaries) == 50


async def test_rows_are_locked_in_the_order_of_their_ids(house: House) -> None:
    jobs = [await house.add() for _ in range(3)]
    for job in jobs[::-1]:
        await house.sql.execute("UPDATE gosynq.ready SET kind = kind WHERE id = $1", job)
    lock = "SELECT FROM gosynq.ready WHERE id = $1 FOR UPDATE NOWAIT"
    rival = await asyncpg.connect(house.url)
    async with asyncio.TaskGroup() as tasks, rival.transaction():
        await rival.fetch(lock, jobs[0])
        tasks.create_task(_awaited(_cancel(house, ALL)))
        await until_blocked_by(house.sql, rival.get_server_pid())
        await rival.fetch(lock, jobs[1])
        await rival.fetch(lock, jobs[2])
    await rival.close()


@pytest.mark.parametrize("verb", CALLS)
async def test_a_token_goes_with_its_call_alone(house: House, verb: str) -> None:
    await _one_of_each(house)
    query = replace(ALL, limit=1, validate_only=True)
    token = (await CALLS[verb](house, query)).next_page_token
    others = [(other, replace(query, page_token=token)) for other in CALLS if other != verb]
    for name, asked in (*others, (verb, replace(query, filter="kind = k", page_token=token))):
        with pytest.raises(PageTokenInvalid):
            await CALLS[name](house, asked)


async def test_a_filter_that_is_none_is_refused(house: House) -> None:
    with pytest.raises(FilterInvalid):
        await _cancel(house, BulkQuery(filter="nonsense"))
