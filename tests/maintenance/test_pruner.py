"""Days to come have partitions, days past are gone with all that belongs to them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import JobNotFound
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.store import partitions, statements
from gosynq_server.store.partitions import Partitioned
from tests.service.house import DAY, FAILED, House, overtaken

TABLES = ("attempts", "payloads")
_FIRST = JobId("00000000-0000-0000-0000-000000000000")


def _pruner(house: House) -> Pruner:
    return Pruner(house.database, event_retention=7 * DAY)


async def _today(house: House) -> date:
    now: datetime = await house.sql.fetchval("SELECT statement_timestamp()")
    return now.astimezone(UTC).date()


async def _days(house: House, table: Partitioned) -> list[date]:
    return await partitions.days(house.database, table)


async def _count(house: House, table: str) -> int:
    count: int = await house.sql.fetchval(f"SELECT count(*) FROM gosynq.{table}")  # noqa: S608 - a name of ours
    return count


async def _finished_with_history(house: House) -> str:
    lease = await house.started(max_retries=0, payload=b"p" * 5000)
    await house.settle(lease, FAILED)
    return lease.job_id


async def _let_days_pass(house: House, days: int) -> None:
    await house.sql.execute("UPDATE gosynq.finished SET prune_on = prune_on - $1::int", days)


async def test_partitions_are_there_for_the_days_to_come(house: House) -> None:
    await _pruner(house).run_once()

    today = await _today(house)
    assert await _days(house, Partitioned.FINISHED) == [today + timedelta(days=days) for days in range(1, 17)]
    assert await _days(house, Partitioned.EVENTS) == [today, today + DAY]


async def test_running_again_and_by_many_at_once_is_harmless(house: House) -> None:
    await asyncio.gather(*(_pruner(house).run_once() for _ in range(4)))
    first = await _days(house, Partitioned.FINISHED)

    await _pruner(house).run_once()

    assert await _days(house, Partitioned.FINISHED) == first


async def test_what_came_before_its_partition_is_moved_into_it(house: House) -> None:
    lease = await house.started(retention=2 * DAY)
    await house.settle(lease, Succeeded(result=b"1", content_type="x"))
    before = await house.job(lease.job_id)
    assert await _count(house, "finished_other") == 1
    events = await house.sql.fetch("SELECT * FROM gosynq.events ORDER BY id")

    await _pruner(house).run_once()

    assert (await _count(house, "finished_other"), await _count(house, "events_other")) == (0, 0)
    assert await house.job(lease.job_id) == before
    assert await house.sql.fetch("SELECT * FROM gosynq.events ORDER BY id") == events


async def test_new_rows_find_their_partitions(house: House) -> None:
    await _pruner(house).run_once()
    lease = await house.started()
    await house.settle(lease, FAILED)
    await house.jobs.cancel(lease.job_id, reason="", force=False)

    assert (await _count(house, "finished_other"), await _count(house, "events_other")) == (0, 0)
    assert (await _count(house, "finished"), await _count(house, "events")) == (1, 4)


async def test_a_partition_keeps_its_indexes_and_checks(house: House) -> None:
    await _pruner(house).run_once()

    rows = await house.sql.fetch(
        "SELECT part.relname, count(*) FILTER (WHERE kind = 'i') AS indexes,"
        " count(*) FILTER (WHERE kind = 'c') AS checks"
        " FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid CROSS JOIN LATERAL ("
        " SELECT 'i' AS kind FROM pg_index WHERE indrelid = part.oid UNION ALL"
        " SELECT 'c' FROM pg_constraint WHERE conrelid = part.oid AND contype = 'c') AS has"
        " WHERE inhparent = 'gosynq.finished'::regclass GROUP BY part.relname"
    )
    assert len({(row["indexes"], row["checks"]) for row in rows}) == 1
    assert len(rows) == 17


async def test_a_job_past_its_day_goes_with_its_attempts_and_payload(house: House) -> None:
    await _pruner(house).run_once()
    job_id = await _finished_with_history(house)
    await _let_days_pass(house, 15)

    await _pruner(house).run_once()

    assert await house.stage(job_id) is None
    assert [await _count(house, table) for table in TABLES] == [0, 0]


async def test_one_round_prunes_more_than_a_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.maintenance.pruner._BATCH", 2)
    for _ in range(5):
        await _finished_with_history(house)
        await house.settle(await house.started(), Succeeded())
    await _let_days_pass(house, 15)

    await _pruner(house).run_once()

    assert await _count(house, "finished") == 0
    assert [await _count(house, table) for table in TABLES] == [0, 0]


async def test_a_job_within_its_days_stays_with_its_attempts_and_payload(house: House) -> None:
    job_id = await _finished_with_history(house)
    await _let_days_pass(house, 14)

    await _pruner(house).run_once()

    assert await house.stage(job_id) == "finished"
    assert [await _count(house, table) for table in TABLES] == [1, 1]


async def test_partitions_of_past_days_are_dropped(house: House) -> None:
    today = await _today(house)
    for day in (today - DAY, today):
        await partitions.make(house.database, Partitioned.FINISHED, day)
    for days in (9, 8, 7):
        await partitions.make(house.database, Partitioned.EVENTS, today - days * DAY)

    await _pruner(house).run_once()

    assert (await _days(house, Partitioned.FINISHED))[0] == today + DAY
    assert (await _days(house, Partitioned.EVENTS))[0] == today - 7 * DAY


async def test_old_events_without_a_partition_are_deleted(house: House) -> None:
    await house.add()
    await house.sql.execute("UPDATE gosynq.events SET day = day - 30")

    await _pruner(house).run_once()

    assert await _count(house, "events") == 0


async def test_a_job_being_retried_while_its_day_is_pruned_keeps_its_payload_and_attempts(house: House) -> None:
    job_id = await _finished_with_history(house)
    await _let_days_pass(house, 15)
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            arguments = ("q", [job_id], None, [timedelta()], ["failed"])
            await connection.fetch(statements.load("jobs_retry_finished"), *arguments)
            last = await partitions.prune_jobs_with_history(
                house.database, before=await _today(house) + DAY, after=_FIRST, limit=10
            )
            assert last is None
    finally:
        await connection.close()
    await _pruner(house).run_once()

    job = await house.job(job_id)
    assert (job.status, job.payload) == (JobStatus.PENDING, b"p" * 5000)
    assert await _count(house, "attempts") == 1


async def test_a_retry_that_a_prune_overtakes_finds_no_job(house: House) -> None:
    job_id = await _finished_with_history(house)
    await _let_days_pass(house, 15)
    arguments = (await _today(house) + DAY, _FIRST, 10)

    answer = await overtaken(house, "jobs_prune_with_history", arguments, house.jobs.retry(job_id, run_at=None))

    assert isinstance(answer, JobNotFound)


async def test_pruning_goes_on_batch_by_batch(house: House) -> None:
    jobs = [await _finished_with_history(house) for _ in range(5)]
    await _let_days_pass(house, 15)
    before = await _today(house) + DAY
    seen, last = [], _FIRST
    while (
        found := await partitions.prune_jobs_with_history(house.database, before=before, after=last, limit=2)
    ) is not None:
        seen.append(found)
        last = found

    assert seen == [jobs[1], jobs[3], jobs[4]]
