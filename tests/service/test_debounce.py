"""A debounce key names one job that waits for its first lease; what comes after it is not added."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gosynq_client.worker.outcomes import Snoozed
from gosynq_server.domain.job import DebounceMode, JobSpec
from gosynq_server.service.enqueue import Enqueued
from gosynq_server.store import debounce
from tests.service.house import HOUR, SECOND, House
from tests.service.invariants import events_of

KEEP, REPLACE, RESCHEDULE = DebounceMode.KEEP, DebounceMode.REPLACE, DebounceMode.RESCHEDULE


async def enqueue(house: House, mode: DebounceMode = KEEP, *, key: str = "a", **spec: Any) -> Enqueued:
    kind = spec.pop("kind", "k")
    return await house.enqueuer.enqueue(JobSpec(queue="q", kind=kind, debounce_key=key, debounce_mode=mode, **spec))


async def test_the_job_that_waits_is_kept(house: House) -> None:
    first = await enqueue(house, payload=b'{"n": 1}')
    second = await enqueue(house, payload=b'{"n": 2}', delay=HOUR)
    assert (second.job_id, second.deduplicated) == (first.job_id, True)
    assert (await house.job(first.job_id)).payload == b'{"n": 1}'
    assert await house.stage(first.job_id) == "ready"


async def test_the_job_that_waits_is_put_off_with_each_call(house: House) -> None:
    first = await enqueue(house, RESCHEDULE, payload=b'{"n": 1}', delay=SECOND)
    second = await enqueue(house, RESCHEDULE, payload=b'{"n": 2}', delay=HOUR)
    job = await house.job(first.job_id)
    assert second.job_id == first.job_id
    assert job.payload == b'{"n": 1}'
    assert job.run_at - job.created_at >= HOUR


@pytest.mark.parametrize("delay", [None, HOUR])
async def test_the_job_that_waits_gets_the_whole_new_spec(house: House, delay: timedelta | None) -> None:
    first = await enqueue(house, payload=b"x" * 2000, content_type="text/plain", delay=delay, labels={"a": "1"})
    second = await enqueue(house, REPLACE, kind="other", payload=b'{"n": 2}', max_retries=7, fairness_key="f")
    job = await house.job(first.job_id)
    assert (second.job_id, second.deduplicated) == (first.job_id, True)
    assert (job.kind, job.payload, job.content_type, job.max_retries) == ("other", b'{"n": 2}', "application/json", 7)
    assert (job.labels, job.fairness_key, job.revision) == ({}, "f", 2)
    assert await events_of(house.sql, first.job_id) == ["created", "requeued"]


async def test_a_large_payload_takes_the_place_of_a_large_one(house: House) -> None:
    first = await enqueue(house, payload=b"x" * 2000, content_type="text/plain")
    await enqueue(house, REPLACE, payload=b"y" * 3000, content_type="text/plain")
    assert (await house.job(first.job_id)).payload == b"y" * 3000


async def test_once_it_is_leased_the_key_is_free_whatever_becomes_of_it(house: House) -> None:
    first = await enqueue(house)
    lease = await house.lease_one()
    second = await enqueue(house, REPLACE)
    await house.settle(lease, Snoozed(delay=HOUR))
    third = await enqueue(house, REPLACE)
    assert len({first.job_id, second.job_id}) == 2
    assert (third.job_id, third.deduplicated) == (second.job_id, True)


async def test_once_it_is_gone_the_key_is_free(house: House) -> None:
    first = await enqueue(house)
    await house.jobs.delete(first.job_id, force=False, allow_missing=False)
    assert not (await enqueue(house)).deduplicated


async def test_other_keys_and_other_queues_are_others(house: House) -> None:
    await enqueue(house)
    assert not (await enqueue(house, key="b")).deduplicated
    other = await house.enqueuer.enqueue(JobSpec(queue="other", kind="k", debounce_key="a"))
    assert not other.deduplicated


async def test_of_many_calls_at_once_one_makes_the_job(house: House) -> None:
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(enqueue(house, mode)) for mode in (KEEP, REPLACE, RESCHEDULE) * 10]
    assert len({call.result().job_id for call in calls}) == 1
    assert sum(not call.result().deduplicated for call in calls) == 1


async def test_one_batch_makes_one_job_of_a_key(house: House) -> None:
    specs = [JobSpec(queue="q", kind="k", debounce_key="a", payload=b"%d" % n, debounce_mode=REPLACE) for n in range(3)]
    answers = await house.enqueuer.enqueue_all(specs)
    assert len({answer.job_id for answer in answers}) == 1
    assert (await house.job(answers[0].job_id)).payload == b"2"


async def test_the_sweeper_frees_keys_whose_jobs_wait_no_more(house: House) -> None:
    await enqueue(house, key="leased")
    await house.lease_one()
    await enqueue(house, key="waits")
    await house.sql.execute("UPDATE gosynq.debounce_keys SET check_at = statement_timestamp()")
    assert await debounce.sweep(house.database, limit=10) == 2
    assert await house.sql.fetchval("SELECT string_agg(key, ',') FROM gosynq.debounce_keys") == "waits"
