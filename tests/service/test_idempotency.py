"""A key names one job: concurrently, in a batch, and until its job has been over for the window."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import DatabaseUnavailable, IdempotencyKeyReused, QueueDraining, ValidationFailed
from gosynq_server.domain.fingerprint import fingerprint
from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import JobSpec, JobStatus
from gosynq_server.service.adding import Enqueued
from gosynq_server.store import statements
from tests.service.house import DAY, HOUR, SECOND, WINDOW, House, until_blocked_by

KEYED = JobSpec(queue="q", kind="k", idempotency_key="a")
OTHER = replace(KEYED, payload=b'{"other":1}')


async def _let_job_have_ended(house: House, ago: timedelta) -> None:
    await house.sql.execute("UPDATE gosynq.finished SET finished_at = statement_timestamp() - $1::interval", ago)


async def _one(house: House, spec: JobSpec) -> Enqueued:
    (answer,) = await house.enqueuer.enqueue_all([spec])
    return answer


async def test_the_same_spec_under_a_key_finds_the_job(house: House) -> None:
    first = await house.enqueuer.enqueue(KEYED)

    second = await house.enqueuer.enqueue(KEYED)

    assert (first.deduplicated, second.deduplicated) == (False, True)
    assert second.job == first.job
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 1


async def test_the_job_that_a_key_finds_is_told_as_it_is_now(house: House) -> None:
    first = await _one(house, KEYED)
    await house.settle(await house.lease_one(), Succeeded())

    second = await _one(house, KEYED)

    assert (second.job_id, second.status, second.deduplicated) == (first.job_id, JobStatus.COMPLETED, True)


async def test_another_spec_under_a_held_key_is_refused(house: House) -> None:
    first = await _one(house, KEYED)

    with pytest.raises(IdempotencyKeyReused) as refusal:
        await house.enqueuer.enqueue(OTHER)

    assert refusal.value.metadata == {"job_id": first.job_id, "queue": "q"}


async def test_a_draining_queue_answers_a_repeat_with_its_job_and_takes_nothing_else(house: House) -> None:
    first = await _one(house, KEYED)
    await house.sql.execute("UPDATE gosynq.queues SET state = 'draining'")
    house.forget_settings()

    answers = await house.enqueuer.enqueue_each([KEYED, OTHER, replace(KEYED, idempotency_key="b")])

    assert answers[0] == Enqueued(job_id=first.job_id, status=JobStatus.PENDING, deduplicated=True)
    assert [type(answer) for answer in answers[1:]] == [IdempotencyKeyReused, QueueDraining]
    assert await _one(house, KEYED) == answers[0]
    assert (await house.enqueuer.enqueue(KEYED)).deduplicated


async def test_a_check_looks_at_the_key_as_well(house: House) -> None:
    first = await house.enqueuer.enqueue(KEYED)

    checked = await house.enqueuer.check(KEYED)

    assert checked == replace(first, job_id="", deduplicated=True, begin=None)
    with pytest.raises(IdempotencyKeyReused):
        await house.enqueuer.check(OTHER)


async def test_a_key_that_is_free_at_the_last_try_is_taken(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.service.adding._TRIES", 1)
    first = await _one(house, KEYED)
    await house.jobs.cancel(first.job_id, reason="", force=False)
    await _let_job_have_ended(house, WINDOW + SECOND)

    assert not (await _one(house, KEYED)).deduplicated


async def test_what_was_added_before_the_database_went_away_is_answered_with_its_job(house: House) -> None:
    await _one(house, KEYED)
    house.database.away = frozenset({"keys_get"})

    added, in_doubt = await house.enqueuer.enqueue_each([replace(KEYED, idempotency_key=""), KEYED])

    assert isinstance(added, Enqueued)
    assert isinstance(in_doubt, DatabaseUnavailable)


async def test_a_key_belongs_to_its_queue(house: House) -> None:
    first, second = await _one(house, KEYED), await _one(house, replace(KEYED, queue="q2"))

    assert first.job_id != second.job_id


async def test_the_same_key_twice_in_a_batch_makes_one_job(house: House) -> None:
    answers = await house.enqueuer.enqueue_all([KEYED, KEYED, replace(KEYED, idempotency_key="b"), KEYED])

    assert len({answer.job_id for answer in answers}) == 2
    assert [answer.deduplicated for answer in answers] == [False, True, False, True]


async def test_the_same_key_with_two_specs_in_a_batch_refuses_the_batch(house: House) -> None:
    with pytest.raises(ValidationFailed, match=r"^jobs\[1\]\.idempotency_key: is that of jobs\[0\]"):
        await house.enqueuer.enqueue_all([KEYED, OTHER])

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 0


async def test_of_items_with_one_key_and_two_specs_the_second_is_refused(house: House) -> None:
    answers = await house.enqueuer.enqueue_each([KEYED, OTHER, KEYED])

    assert [type(answer) for answer in answers] == [Enqueued, IdempotencyKeyReused, Enqueued]


async def test_of_concurrent_callers_with_one_key_exactly_one_makes_the_job(house: House) -> None:
    for number in range(20):
        spec = replace(KEYED, idempotency_key=f"key {number}")

        answers = await asyncio.gather(*(_one(house, spec) for _ in range(8)))

        assert len({answer.job_id for answer in answers}) == 1
        assert [answer.deduplicated for answer in answers].count(False) == 1
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 20


async def test_a_caller_waits_for_a_rival_with_its_key_and_finds_the_rivals_job(house: House) -> None:
    await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks, connection.transaction():
            await connection.fetch(statements.load("jobs_insert"), *_rival_arguments())
            call = tasks.create_task(_one(house, KEYED))
            await until_blocked_by(house.sql, connection.get_server_pid())
    finally:
        await connection.close()

    assert call.result().deduplicated


async def test_a_caller_takes_the_key_of_a_rival_that_rolled_back(house: House) -> None:
    await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks:
            transaction = connection.transaction()
            await transaction.start()
            await connection.fetch(statements.load("jobs_insert"), *_rival_arguments())
            call = tasks.create_task(_one(house, KEYED))
            await until_blocked_by(house.sql, connection.get_server_pid())
            await transaction.rollback()
    finally:
        await connection.close()

    assert not call.result().deduplicated


async def test_a_caller_who_waits_for_a_rival_holds_nobody_else_up(house: House) -> None:
    await house.add()
    connection = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks, connection.transaction():
            await connection.fetch(statements.load("jobs_insert"), *_rival_arguments())
            call = tasks.create_task(house.enqueuer.enqueue(KEYED))
            await until_blocked_by(house.sql, connection.get_server_pid())
            async with asyncio.timeout(5):
                assert not (await house.enqueuer.enqueue(replace(KEYED, idempotency_key="b"))).deduplicated
            assert not call.done()
    finally:
        await connection.close()


def _rival_arguments() -> list[object]:
    columns = [[new_job_id()], ["k"], [2], [b"{}"], ["application/json"]]
    return ["q", *columns, *([[]] * 11), ["a"], [fingerprint(KEYED)], 1024, WINDOW, [], [], [], []]


@pytest.mark.parametrize("end", ["completed", "cancelled"])
async def test_a_key_is_held_for_the_window_beyond_the_end_and_free_then(house: House, end: str) -> None:
    first = await _one(house, KEYED)
    if end == "completed":
        await house.settle(await house.lease_one(), Succeeded())
    else:
        await house.jobs.cancel(first.job_id, reason="", force=False)

    await _let_job_have_ended(house, WINDOW - 60 * SECOND)
    assert (await _one(house, KEYED)).job_id == first.job_id

    await _let_job_have_ended(house, WINDOW + SECOND)
    second = await _one(house, OTHER)
    assert not second.deduplicated
    assert (await _one(house, OTHER)).job_id == second.job_id


async def test_a_pending_job_holds_its_key_however_old_it_is(house: House) -> None:
    first = await _one(house, replace(KEYED, delay=DAY))
    await house.sql.execute("UPDATE gosynq.idempotency_keys SET check_at = check_at - interval '10 days'")

    assert (await _one(house, replace(KEYED, delay=DAY))).job_id == first.job_id


async def test_deleting_the_job_frees_its_key(house: House) -> None:
    first = await _one(house, KEYED)
    await house.jobs.delete(first.job_id, force=False, allow_missing=False)

    assert not (await _one(house, OTHER)).deduplicated


async def test_a_pruned_job_frees_its_key(house: House) -> None:
    first = await _one(house, KEYED)
    await house.jobs.cancel(first.job_id, reason="", force=False)
    await house.sql.execute("DELETE FROM gosynq.finished")
    await house.sql.execute("DELETE FROM gosynq.events")

    assert not (await _one(house, OTHER)).deduplicated


async def test_deleting_a_job_whose_key_has_passed_to_another_leaves_the_key(house: House) -> None:
    first = await _one(house, KEYED)
    await house.jobs.cancel(first.job_id, reason="", force=False)
    await _let_job_have_ended(house, WINDOW + HOUR)
    second = await _one(house, KEYED)

    await house.jobs.delete(first.job_id, force=False, allow_missing=False)

    assert (await _one(house, KEYED)).job_id == second.job_id


def _batch(keys: Sequence[int], round_number: int) -> list[JobSpec]:
    return [replace(KEYED, idempotency_key=f"{round_number}/{key:02}") for key in keys]


async def test_rival_batches_with_keys_in_opposite_order_never_deadlock(house: House) -> None:
    keys = range(20)
    for number in range(10):
        rivals = [_batch(order, number) for order in (keys, keys[::-1], keys, keys[::-1])]

        batches = await asyncio.gather(*(house.enqueuer.enqueue_all(batch) for batch in rivals))

        assert {len({answer.job_id for answer in batch}) for batch in batches} == {20}
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 200
    assert await house.sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


async def test_rival_batches_that_free_lapsed_keys_in_opposite_order_never_deadlock(house: House) -> None:
    keys = range(20)
    for answer in await house.enqueuer.enqueue_all(_batch(keys, 0)):
        await house.jobs.cancel(answer.job_id, reason="", force=False)
    for _ in range(5):
        await _let_job_have_ended(house, WINDOW + HOUR)
        rivals = [_batch(order, 0) for order in (keys, keys[::-1], keys, keys[::-1])]

        batches = await asyncio.gather(*(house.enqueuer.enqueue_all(batch) for batch in rivals))

        assert len({tuple(sorted(answer.job_id for answer in batch)) for batch in batches}) == 1
        for answer in batches[0]:
            await house.jobs.cancel(answer.job_id, reason="", force=False)
    assert await house.sql.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
