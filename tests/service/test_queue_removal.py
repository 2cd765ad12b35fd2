"""Jobs of a queue are deleted some at a time, a queue with them or by itself, and a deletion is brought to its end."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import (
    DatabaseUnavailable,
    EtagMismatch,
    QueueDeleting,
    QueueNotEmpty,
    QueueNotFound,
)
from gosynq_server.domain.job import JobId, JobStatus
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.domain.queue import QueueState
from gosynq_server.maintenance.remover import Remover
from tests.service.house import FAILED, FATAL, HOUR, House, overtaken

PENDING = frozenset({JobStatus.PENDING})


async def _delete(house: House, *, force: bool = True, etag: str = "", allow_missing: bool = False) -> None:
    await house.queue_removal.delete("q", force=force, etag=etag, allow_missing=allow_missing)


async def _one_of_each(house: House, queue: str = "q") -> list[str]:
    """Add a failed, a cancelled, a completed, a retrying, a running, a ready and a scheduled job."""
    jobs = []
    for outcome in (FATAL, Succeeded(), FAILED):
        lease = await house.started(queue=queue, payload=b'"' + b"x" * 3000 + b'"')
        await house.settle(lease, outcome)
        jobs.append(lease.job_id)
    cancelled = await house.add(queue=queue, idempotency_key="cancelled")
    await house.jobs.cancel(cancelled, reason="", force=False)
    running = await house.started(queue=queue, idempotency_key="running")
    ready = await house.add(queue=queue, idempotency_key="ready")
    return [*jobs, cancelled, running.job_id, ready, await house.add(queue=queue, delay=HOUR)]


async def _tables(house: House) -> dict[str, int]:
    tables = ("jobs", "payloads", "attempts", "idempotency_keys", "queues")
    return {
        table: await house.sql.fetchval(f"SELECT count(*) FROM gosynq.{table}")  # noqa: S608 - names of ours
        for table in tables
    }


async def test_a_purge_deletes_pending_jobs_with_all_that_belongs_to_them(house: House) -> None:
    jobs = await _one_of_each(house)

    assert await house.queue_removal.purge("q", PENDING, limit=1000) == 3
    left = [job for job in jobs if await house.stage(job) is not None]

    assert left == [jobs[0], jobs[1], jobs[3], jobs[4]]
    assert set(house.heard.finished) > {jobs[2], jobs[5], jobs[6]}
    keys = await house.sql.fetch("SELECT key FROM gosynq.idempotency_keys ORDER BY key")
    assert [row["key"] for row in keys] == ["cancelled", "running"]


@pytest.mark.parametrize(
    ("statuses", "gone"),
    [({JobStatus.COMPLETED}, {1}), ({JobStatus.FAILED, JobStatus.CANCELLED}, {0, 3}), (TERMINAL, {0, 1, 3})],
)
async def test_a_purge_takes_the_statuses_that_it_is_told(
    house: House, statuses: set[JobStatus], gone: set[int]
) -> None:
    jobs = await _one_of_each(house)

    assert await house.queue_removal.count("q", statuses) == len(gone)
    assert await house.queue_removal.purge("q", statuses, limit=1000) == len(gone)
    assert {place for place, job in enumerate(jobs) if await house.stage(job) is None} == gone


async def test_a_purge_stops_at_its_limit_and_leaves_other_queues(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_server.service.queue_removal._BATCH", 2)
    monkeypatch.setattr("gosynq_server.store.queue_jobs._LOOKED_AT", 3)
    jobs = [await house.add(queue=queue) for _ in range(8) for queue in ("other", "q")]

    assert await house.queue_removal.purge("q", PENDING, limit=5) == 5
    left = [job for job in jobs if await house.stage(job) is not None]

    assert left == [job for place, job in enumerate(jobs) if place % 2 == 0 or place > 9]


async def test_a_job_that_is_being_leased_is_not_purged(house: House) -> None:
    job = await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with connection.transaction():
            await connection.fetch("SELECT FROM gosynq.ready FOR UPDATE")
            assert await house.queue_removal.purge("q", PENDING, limit=10) == 0
    finally:
        await connection.close()
    assert await house.stage(job) == "ready"


async def test_a_queue_goes_with_everything_and_others_stay(house: House) -> None:
    jobs = await _one_of_each(house)
    await _one_of_each(house, queue="other")
    before = await _tables(house)

    await _delete(house)

    assert {table: 2 * left for table, left in (await _tables(house)).items()} == before
    assert [await house.stage(job) for job in jobs] == [None] * 7
    assert house.heard.voided == [jobs[4]]


async def test_a_deletion_takes_as_many_batches_as_it_needs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.service.queue_removal._BATCH", 2)
    await house.add(queue="other")
    for _ in range(5):
        await house.add()

    await _delete(house)

    assert (await _tables(house))["jobs"] == 1
    assert house.database.names.count("queues_purge_ready") > 2


async def test_a_lease_of_a_deleted_job_is_lost(house: House) -> None:
    lease = await house.started()

    await _delete(house)

    assert (await house.settle(lease, Succeeded())).refusals


async def test_a_queue_with_jobs_of_any_status_needs_force(house: House) -> None:
    await house.settle(await house.started(), Succeeded())

    with pytest.raises(QueueNotEmpty) as refusal:
        await _delete(house, force=False)

    assert refusal.value.metadata == {"queue": "q", "jobs": "1"}
    assert (await house.queue_verbs.get("q")).details.state is QueueState.ACTIVE


async def test_an_empty_queue_goes_without_force(house: House) -> None:
    await house.jobs.delete(await house.add(), force=False, allow_missing=False)

    await _delete(house, force=False)

    with pytest.raises(QueueNotFound):
        await house.queue_verbs.get("q")


async def test_a_queue_that_is_not_there_is_only_deleted_where_that_is_allowed(house: House) -> None:
    await _delete(house, allow_missing=True)
    with pytest.raises(QueueNotFound):
        await _delete(house)


async def test_a_queue_is_deleted_by_its_present_etag(house: House) -> None:
    await house.add()
    present = (await house.queue_verbs.get("q")).details.etag

    with pytest.raises(EtagMismatch):
        await _delete(house, etag="another")
    await _delete(house, etag=present)
    with pytest.raises(QueueNotFound):
        await house.queue_verbs.get("q")


async def _interrupted(house: House) -> None:
    """Begin a deletion that gets no further than to its mark."""
    house.database.away = frozenset({"queues_purge_scheduled"})
    with pytest.raises(DatabaseUnavailable):
        await _delete(house)
    house.database.away = frozenset()


async def test_a_queue_that_is_being_deleted_takes_and_gives_nothing_and_can_be_seen(house: House) -> None:
    job = await house.add(idempotency_key="k")
    await _interrupted(house)

    shown = await house.queue_verbs.get("q")
    assert (shown.details.state, shown.stats and shown.stats.ready) == (QueueState.DELETING, 1)
    assert shown.details.state_reason == "it is being deleted"
    assert await house.lease() == []
    for key in ("", "k"):
        with pytest.raises(QueueDeleting):
            await house.add(idempotency_key=key)
    assert (await house.job(job)).status is JobStatus.PENDING


async def test_a_repeat_and_another_server_bring_a_deletion_to_its_end(house: House, elsewhere: House) -> None:
    await house.add()
    await _interrupted(house)
    await _delete(house, etag="whatever it was")
    assert (await _tables(house))["queues"] == 0

    await house.add()
    await _interrupted(house)
    await Remover(elsewhere.database, elsewhere.queue_removal).run_once()
    assert await _tables(house) == dict.fromkeys(await _tables(house), 0)


async def test_two_deletions_at_once_do_no_harm(house: House, elsewhere: House) -> None:
    for _ in range(20):
        await house.add(idempotency_key=f"k{_}")

    await asyncio.gather(
        _delete(house, allow_missing=True), _delete(elsewhere, allow_missing=True), return_exceptions=False
    )

    assert (await _tables(house))["queues"] == 0


async def test_a_job_that_comes_as_its_queue_goes_makes_it_anew(house: House, elsewhere: House) -> None:
    await elsewhere.jobs.delete(await elsewhere.add(), force=False, allow_missing=False)
    await _delete(house, force=False)
    late = await elsewhere.add()

    await house.sql.execute("SELECT gosynq.count_events('0')")

    assert (await house.lease_one()).job_id == late
    assert (await house.queue_verbs.get("q")).details.state is QueueState.ACTIVE


async def test_a_queue_whose_jobs_went_before_they_were_counted_is_not_made_anew(house: House) -> None:
    await house.add()
    await _delete(house)

    await house.sql.execute("SELECT gosynq.count_events('0')")

    assert (await _tables(house))["queues"] == 0


async def test_a_verb_that_a_deletion_overtakes_finds_no_job(house: House) -> None:
    job = await house.add()
    arguments = ("q", JobId("00000000-0000-0000-0000-000000000000"), 10, 10)

    answer = await overtaken(
        house, "queues_purge_ready", arguments, house.jobs.delete(job, force=False, allow_missing=True)
    )

    assert answer is None
