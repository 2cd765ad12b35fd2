"""Jobs not started in time are cancelled, and keys that hold no more are freed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobSpec, JobStatus
from gosynq_server.maintenance.sweeper import Sweeper
from tests.service.house import DAY, HOUR, SECOND, WINDOW, House
from tests.service.invariants import events_of


def _sweeper(house: House, *, retention: timedelta = 2 * DAY) -> Sweeper:
    return Sweeper(house.database, house.wakeups, window=WINDOW, retention=retention)


async def _expire_all(house: House) -> None:
    for table in ("scheduled", "ready"):
        await house.sql.execute(f"UPDATE gosynq.{table} SET expires_at = statement_timestamp()")  # noqa: S608 - ours


async def test_jobs_past_their_expiry_are_cancelled_in_both_stages(house: House) -> None:
    scheduled, ready = await house.add(delay=HOUR), await house.add(payload=b"p" * 5000)
    await _expire_all(house)
    kept = await house.add()

    await _sweeper(house).run_once()

    for job_id in (scheduled, ready):
        assert (await house.job(job_id)).status is JobStatus.CANCELLED
        assert await events_of(house.sql, job_id) == ["created", "cancelled"]
    assert await house.stage(kept) == "ready"
    assert set(house.heard.finished) == {scheduled, ready}


async def test_one_round_sweeps_more_than_a_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.maintenance.sweeper._BATCH", 2)
    jobs = [await house.add(idempotency_key=str(number)) for number in range(5)]
    await _expire_all(house)
    await _sweeper(house).run_once()
    assert [(await house.job(job_id)).status for job_id in jobs] == [JobStatus.CANCELLED] * 5
    await _let_keys_be_looked_at(house, ended_ago=WINDOW + SECOND)

    await _sweeper(house).run_once()

    assert await _keys(house) == []


async def test_a_running_job_is_not_expired(house: House) -> None:
    lease = await house.started()
    await house.sql.execute("UPDATE gosynq.running SET expires_at = statement_timestamp()")

    await _sweeper(house).run_once()

    assert await house.stage(lease.job_id) == "running"


@pytest.mark.parametrize("stage", ["scheduled", "ready"])
@pytest.mark.parametrize(
    ("of_job", "of_queue", "days"),
    [(None, None, 2), (None, 5 * DAY, 5), (3 * DAY, 5 * DAY, 3), (timedelta(0), None, 1), (None, timedelta(0), 1)],
)
async def test_an_expired_job_is_kept_for_its_own_or_its_queues_retention_and_the_window(
    house: House, stage: str, of_job: timedelta | None, of_queue: timedelta | None, days: int
) -> None:
    await house.add(delay=HOUR if stage == "scheduled" else None, retention=of_job)
    await house.sql.execute("UPDATE gosynq.queues SET retention = $1", of_queue)
    await _expire_all(house)

    await _sweeper(house).run_once()

    kept = await house.sql.fetchval("SELECT prune_on - (finished_at AT TIME ZONE 'UTC')::date FROM gosynq.finished")
    assert kept == days + 1


async def _let_keys_be_looked_at(house: House, *, ended_ago: timedelta) -> None:
    await house.sql.execute("UPDATE gosynq.idempotency_keys SET check_at = statement_timestamp()")
    await house.sql.execute("UPDATE gosynq.finished SET finished_at = statement_timestamp() - $1::interval", ended_ago)


async def _keys(house: House) -> list[str]:
    return [row["key"] for row in await house.sql.fetch("SELECT key FROM gosynq.idempotency_keys ORDER BY key")]


async def test_only_keys_of_jobs_long_over_or_gone_are_freed(house: House) -> None:
    await house.add(idempotency_key="pending", queue="q2")
    await house.add(idempotency_key="over")
    await house.settle(await house.lease_one(), Succeeded())
    gone = await house.add(idempotency_key="gone")
    await house.sql.execute("DELETE FROM gosynq.ready WHERE id = $1", gone)
    await house.sql.execute("DELETE FROM gosynq.events WHERE $1 = ANY (job_ids)", gone)
    await _let_keys_be_looked_at(house, ended_ago=WINDOW + SECOND)

    await _sweeper(house).run_once()

    assert await _keys(house) == ["pending"]


async def test_a_key_within_the_window_is_looked_at_again_when_it_ends(house: House) -> None:
    await house.add(idempotency_key="over")
    await house.settle(await house.lease_one(), Succeeded())
    await _let_keys_be_looked_at(house, ended_ago=HOUR)

    await _sweeper(house).run_once()

    row = await house.sql.fetchrow(
        "SELECT key.check_at - job.finished_at AS held FROM gosynq.idempotency_keys AS key, gosynq.finished AS job"
    )
    assert row is not None
    assert row["held"] == WINDOW


async def test_sweeping_again_changes_nothing(house: House) -> None:
    await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k", idempotency_key=str(number)) for number in range(5)])
    await _let_keys_be_looked_at(house, ended_ago=HOUR)

    for _ in range(2):
        await _sweeper(house).run_once()

    assert len(await _keys(house)) == 5
