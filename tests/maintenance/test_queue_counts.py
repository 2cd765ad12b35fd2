"""After all that can happen, days that are pruned among it, the numbers of jobs are those of the tables."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.maintenance.sweeper import Sweeper
from gosynq_server.store import queue_counts
from tests.service.house import DAY, FAILED, FATAL, HOUR, WINDOW, House, open_house
from tests.service.invariants import check_counts

AT_ONCE = timedelta()


async def _run_everything(house: House, elsewhere: House, queue: str) -> None:
    """Let two servers do to jobs of a queue all that can be done to them."""
    jobs = [JobId(await house.add(queue=queue, payload=b'"' + b"x" * 1500 * (n % 2) + b'"')) for n in range(24)]
    await house.jobs.cancel(jobs[0], reason="", force=False)
    await house.jobs.delete(jobs[1], force=False, allow_missing=False)
    await house.jobs.retry(jobs[2], run_at=datetime(2100, 1, 1, tzinfo=UTC))
    await house.jobs.delete(jobs[2], force=False, allow_missing=False)
    outcomes: tuple[Outcome, ...] = (Succeeded(), FAILED, FATAL, FATAL, Snoozed(delay=HOUR), Released(), Succeeded())
    for number, outcome in enumerate(outcomes):
        here = (house, elsewhere)[number % 2]
        await here.settle(await here.lease_one(queue=queue), outcome)
    dead = await house.sql.fetchval(
        "SELECT id::text FROM gosynq.finished WHERE status = 'failed' AND queue = $1", queue
    )
    await elsewhere.jobs.retry(dead, run_at=None)
    await elsewhere.jobs.retry(jobs[0], run_at=None)
    asked, forced, lost, deleted = [await house.lease_one(queue=queue) for _ in range(4)]
    await house.jobs.cancel(asked.job_id, reason="", force=False)
    await house.settle(asked, FAILED)
    await elsewhere.jobs.cancel(forced.job_id, reason="", force=True)
    await house.jobs.delete(deleted.job_id, force=True, allow_missing=False)
    await house.let_lease_run_out(lost)
    await elsewhere.leases.rescue(limit=10)
    expiring = await house.add(queue=queue, expires_at=datetime.now(UTC) + HOUR)
    await house.sql.execute("UPDATE gosynq.ready SET expires_at = now() - interval '1 hour' WHERE id = $1", expiring)
    await Sweeper(house.database, house.wakeups, window=WINDOW, retention=DAY).run_once()


async def test_after_everything_on_two_servers_the_numbers_are_those_of_the_tables(house: House) -> None:
    async with open_house(house.url) as elsewhere:
        await _compare_after_everything(house, elsewhere)


async def _compare_after_everything(house: House, elsewhere: House) -> None:
    await Pruner(house.database, event_retention=7 * DAY).run_once()
    counting = asyncio.create_task(_count_on(elsewhere))
    for queue in ("a", "b", "c"):
        await _run_everything(house, elsewhere, queue)
    await check_counts(house.sql)

    await house.queue_removal.purge("a", {JobStatus.PENDING, JobStatus.CANCELLED}, limit=4)
    await house.queue_removal.delete("b", force=True, etag="", allow_missing=False)
    await check_counts(house.sql)

    await house.sql.execute("UPDATE gosynq.finished SET prune_on = prune_on - 15 WHERE queue = 'c'")
    await house.sql.execute("UPDATE gosynq.finished SET prune_on = prune_on - 1 WHERE queue = 'a'")
    await Pruner(house.database, event_retention=7 * DAY).run_once()
    counting.cancel()
    await check_counts(house.sql)

    assert [total.queue for total in await house.queue_verbs.totals() if any(total.counts.values())] == ["a", "c"]
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.finished WHERE queue = 'c'") == 0


async def _count_on(house: House) -> None:
    while True:
        await queue_counts.add(house.database, min_age=AT_ONCE)
