"""The numbers of jobs are those of the tables, whatever happened, whoever counts, and whenever they are asked for."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import DatabaseBusy
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.queue_stats import QueueStats
from gosynq_server.maintenance.counter import Counter
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.store import partitions, queue_counts
from gosynq_server.store.partitions import Partitioned
from tests.service.house import DAY, FAILED, FATAL, HOUR, SECOND, House
from tests.service.invariants import check_counts

AT_ONCE = timedelta()


async def _stats(house: House, queue: str = "q") -> QueueStats:
    stats = (await house.queue_verbs.get(queue)).stats
    assert stats is not None
    return stats


async def test_rivals_count_each_event_once(house: House, elsewhere: House) -> None:
    for _ in range(10):
        await house.add()
        await asyncio.gather(
            *(queue_counts.add(server.database, min_age=AT_ONCE) for server in (house, elsewhere) for _ in range(3))
        )

    assert await house.sql.fetchval("SELECT pending FROM gosynq.queue_counts WHERE queue = 'q'") == 10


async def test_what_is_committed_late_is_counted(house: House) -> None:
    connection = await asyncpg.connect(house.url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "WITH gone AS (DELETE FROM gosynq.ready) SELECT 1; INSERT INTO gosynq.events"
            " (type, queue, status, job_ids, kinds, priorities, attempts, revisions)"
            " VALUES ('created', 'late', 'pending', '{}', '{}', '{2,2,2}', '{}', '{}')"
        )
        await house.add()
        await queue_counts.add(house.database, min_age=AT_ONCE)
        await transaction.commit()
        assert {total.queue: total.counts[JobStatus.PENDING] for total in await house.queue_verbs.totals()} == {
            "q": 1,
            "late": 3,
        }
        await connection.execute("UPDATE gosynq.events SET queue = 'q' WHERE queue = 'late'")
    finally:
        await connection.close()
    await house.sql.execute("DELETE FROM gosynq.events WHERE cardinality(job_ids) = 0")


async def test_a_server_that_was_just_beaten_to_it_leaves_it(house: House) -> None:
    await queue_counts.add(house.database, min_age=AT_ONCE)
    await house.add()
    await queue_counts.add(house.database, min_age=AT_ONCE)
    await house.add()

    assert await queue_counts.add(house.database, min_age=HOUR)

    assert await house.sql.fetchval("SELECT pending FROM gosynq.queue_counts") == 1
    assert (await _stats(house)).ready == 2


async def test_jobs_are_counted_where_there_are_no_counts(house: House) -> None:
    await house.settle(await house.started(), FATAL)
    await house.add()
    await house.sql.execute("DELETE FROM gosynq.queue_counting")
    with pytest.raises(DatabaseBusy):
        await house.queue_verbs.totals()
    assert (await house.queue_verbs.get("q")).stats is None

    await Counter(house.database).run_once()

    (total,) = await house.queue_verbs.totals()
    assert (total.counts[JobStatus.PENDING], total.counts[JobStatus.FAILED]) == (1, 1)


async def test_a_new_history_of_events_has_the_jobs_counted_anew(house: House) -> None:
    await house.add()
    await house.sql.execute("TRUNCATE gosynq.ticks")
    await house.ticker.now()
    assert await house.sql.fetch("SELECT FROM gosynq.queue_counting") == []

    await Counter(house.database).run_once()
    await check_counts(house.sql)
    await house.sql.execute("DELETE FROM gosynq.ready")
    await house.sql.execute("SELECT gosynq.recount()")


async def test_counts_of_a_cluster_that_was_ahead_are_not_gone_on_with(house: House) -> None:
    await house.add()
    await house.sql.execute("UPDATE gosynq.queue_counting SET snapshot = '9000000000:9000000000:'")

    await Counter(house.database).run_once()

    assert await house.sql.fetchval("SELECT pending FROM gosynq.queue_counts") == 1


async def test_a_day_that_is_detached_is_counted_off_once_by_whoever_comes_to_it(house: House) -> None:
    today = datetime.now(UTC).date()
    await partitions.make(house.database, Partitioned.FINISHED, today - DAY)
    for _ in range(3):
        await house.settle(await house.started(), Succeeded())
    await queue_counts.add(house.database, min_age=AT_ONCE)
    await house.sql.execute("UPDATE gosynq.finished SET prune_on = current_date - 1")
    await partitions.detach(house.database, today - DAY)
    await partitions.detach(house.database, today - DAY)
    (name,) = await partitions.detached(house.database)

    await asyncio.gather(*(partitions.drop_detached(house.database, name) for _ in range(3)))

    assert await house.sql.fetchval("SELECT completed FROM gosynq.queue_counts") == 0
    assert await partitions.detached(house.database) == []
    await house.sql.execute("TRUNCATE gosynq.events")


async def test_a_count_from_the_tables_drops_what_is_detached(house: House) -> None:
    today = datetime.now(UTC).date()
    await partitions.make(house.database, Partitioned.FINISHED, today - DAY)
    await partitions.detach(house.database, today - DAY)

    await house.sql.execute("SELECT gosynq.recount()")

    assert await partitions.detached(house.database) == []


async def test_events_are_counted_before_they_are_pruned(house: House) -> None:
    await house.add()
    await house.sql.execute("UPDATE gosynq.events SET day = day - 30")

    await Pruner(house.database, event_retention=7 * DAY).run_once()

    assert (await _stats(house)).ready == 1
    await house.sql.execute("TRUNCATE gosynq.ready")
    await house.sql.execute("SELECT gosynq.recount()")


async def test_pending_jobs_are_split_into_due_and_not_due(house: House) -> None:
    await house.add()
    await house.add(delay=HOUR)
    await house.add(delay=HOUR)
    late = await house.add(delay=HOUR)
    held = await house.add(concurrency_key="c")
    await house.sql.execute("UPDATE gosynq.scheduled SET run_at = now() - interval '1 second' WHERE id = $1", late)

    stats = await _stats(house)

    assert (stats.ready, stats.scheduled) == (3, 2)
    assert await house.stage(held) == "scheduled"
    assert stats.oldest_ready_age is not None
    assert timedelta() <= stats.oldest_ready_age < 10 * SECOND


async def test_where_both_sides_are_long_one_is_counted_now_and_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("store.queue_counts", "domain.queue_stats"):
        monkeypatch.setattr(f"gosynq_server.{module}.SPLIT_BOUND", 2)
    for delay in (None,) * 4 + (HOUR,) * 6:
        await house.add(delay=delay)
    unknown = await _stats(house)
    await queue_counts.add(house.database, min_age=AT_ONCE)

    assert await queue_counts.count_split(house.database, min_age=HOUR)
    assert not await queue_counts.count_split(house.database, min_age=HOUR)
    known = await _stats(house)

    assert (unknown.ready + unknown.scheduled, known.ready, known.scheduled) == (10, 4, 6)


async def test_a_queue_with_one_short_side_is_not_counted_now_and_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_server.store.queue_counts.SPLIT_BOUND", 2)
    for delay in (None,) * 2 + (HOUR,) * 6:
        await house.add(delay=delay)
    await queue_counts.add(house.database, min_age=AT_ONCE)

    assert not await queue_counts.count_split(house.database, min_age=AT_ONCE)


async def test_rates_are_those_of_the_last_minute(house: House) -> None:
    for outcome in (Succeeded(), Succeeded(), FATAL, FAILED):
        await house.settle(await house.started(), outcome)
    await house.sql.execute(
        "INSERT INTO gosynq.queue_rates SELECT 'q', date_bin('5 seconds', now(), 'epoch') - length, 600, 600, 600"
        " FROM (VALUES (interval '10 minutes'), ('65 seconds')) AS ago (length)"
    )
    await queue_counts.add(house.database, min_age=AT_ONCE)

    stats = await _stats(house)

    rates = (stats.enqueued_per_second, stats.completed_per_second, stats.failed_per_second)
    assert [round(rate * 62.5) for rate in rates] == [4, 2, 1]
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queue_rates WHERE enqueued = 600") == 1


async def test_counts_of_a_queue_that_is_gone_go(house: House) -> None:
    await house.add()
    await house.queue_removal.delete("q", force=True, etag="", allow_missing=False)
    await queue_counts.add(house.database, min_age=AT_ONCE)

    await queue_counts.prune(house.database)

    assert await house.sql.fetch("SELECT FROM gosynq.queue_counts") == []
