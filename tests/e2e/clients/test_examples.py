"""What the producer, the watcher and the worker of each language do with one server."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from gosynq_client import AttemptOutcome, Client, JobStatus, RetryPolicy
from tests.e2e.clients.examples import Examples

AT_ONCE = RetryPolicy(initial_backoff=timedelta())
SHORT = timedelta(seconds=2)

pytestmark = pytest.mark.timeout(60)


async def test_a_job_goes_from_the_producer_through_the_worker_to_the_watcher(
    examples: Examples, client: Client
) -> None:
    async with examples.running("watcher") as watcher, examples.running("worker", GOSYNQ_WORKER_ID="me"):
        job_id = await examples.produce("echo", '{"to": "be"}')
        await watcher.until(job_id, "succeeded")
        job = await client.get(job_id)

    assert watcher.lines == [f"{job_id} 1 created", f"{job_id} 2 started", f"{job_id} 3 succeeded"]
    assert (job.kind, job.queue, job.result) == ("echo", examples.queue, {"to": "be"})
    assert [attempt.worker_id async for attempt in client.attempts(job_id)] in (["me"], [])


@pytest.mark.parametrize(
    ("kind", "payload", "told"),
    [
        ("sleep", {"seconds": 0.5}, ["1 created", "2 started", "succeeded"]),
        ("fail", {"message": "no", "non_retryable": True}, ["1 created", "2 started", "3 failed", "4 dead_lettered"]),
        ("snooze", {"seconds": 0.2}, ["1 created", "2 started", "3 requeued", "4 started", "5 succeeded"]),
    ],
)
async def test_a_job_ends_as_its_handler_says(
    examples: Examples, client: Client, kind: str, payload: dict[str, object], told: list[str]
) -> None:
    async with examples.running("watcher") as watcher, examples.running("worker"):
        job = await client.enqueue(kind, payload, queue=examples.queue)
        await watcher.until(job.id, told[-1].split()[-1])

    assert [line.endswith(end) for line, end in zip(watcher.lines, told, strict=True)] == [True] * len(told)


async def test_a_failure_that_may_be_tried_again_is(examples: Examples, client: Client) -> None:
    async with examples.running("worker"):
        job = await client.enqueue(
            "fail", {"message": "not now"}, queue=examples.queue, max_retries=1, retry_policy=AT_ONCE
        )
        done = await client.wait(job.id, timedelta(seconds=20))

    assert done.last_error is not None
    assert (done.status, done.attempt, done.last_error.message) == (JobStatus.FAILED, 2, "not now")


async def test_a_cancel_stops_the_handler(examples: Examples, client: Client) -> None:
    async with examples.running("watcher") as watcher, examples.running("worker"):
        job = await client.enqueue("sleep", {"seconds": 600}, queue=examples.queue)
        await watcher.until(job.id, "started")
        await client.cancel(job.id)
        done = await client.wait(job.id, timedelta(seconds=10))

    assert (done.status, done.attempt) == (JobStatus.CANCELLED, 1)


async def test_a_job_keeps_its_lease_for_as_long_as_its_handler_runs(examples: Examples, client: Client) -> None:
    async with examples.running("worker"):
        job = await client.enqueue("long", {"seconds": 7}, queue=examples.queue, lease_duration=timedelta(seconds=3))
        done = await client.wait(job.id, timedelta(seconds=20))
        attempts = [attempt async for attempt in client.attempts(job.id)]

    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 1)
    assert AttemptOutcome.LEASE_EXPIRED not in {attempt.outcome for attempt in attempts}


async def test_an_attempt_that_takes_too_long_fails(examples: Examples, client: Client) -> None:
    limit = timedelta(seconds=1)
    async with examples.running("worker"):
        job = await client.enqueue(
            "sleep", {"seconds": 600}, queue=examples.queue, attempt_timeout=limit, max_retries=0
        )
        done = await client.wait(job.id, timedelta(seconds=10))

    assert (done.status, done.attempt) == (JobStatus.FAILED, 1)


async def test_a_worker_that_is_told_to_stop_ends_what_it_has_and_takes_no_more(
    examples: Examples, client: Client
) -> None:
    async with examples.running("watcher") as watcher, examples.running("worker") as worker:
        running = await client.enqueue("sleep", {"seconds": 2}, queue=examples.queue)
        await watcher.until(running.id, "started")
        status = await worker.end(signal.SIGTERM)
        later = await client.enqueue("echo", queue=examples.queue)
        jobs = [await client.get(job_id) for job_id in (running.id, later.id)]

    assert status == 0
    assert [(job.status, job.attempt) for job in jobs] == [(JobStatus.COMPLETED, 1), (JobStatus.PENDING, 0)]


async def test_what_a_killed_worker_held_is_done_by_the_next(examples: Examples, client: Client) -> None:
    async with examples.running("watcher") as watcher:
        async with examples.running("worker") as worker:
            held = await client.enqueue(
                "sleep", {"seconds": 3}, queue=examples.queue, lease_duration=SHORT, retry_policy=AT_ONCE
            )
            await watcher.until(held.id, "started")
            await worker.end(signal.SIGKILL)
        async with examples.running("worker"):
            done = await client.wait(held.id, timedelta(seconds=30))
        outcomes = [attempt.outcome async for attempt in client.attempts(held.id)]

    assert done.status is JobStatus.COMPLETED
    assert outcomes.count(AttemptOutcome.LEASE_EXPIRED) == 1


async def test_a_program_says_why_it_is_refused(examples: Examples) -> None:
    async with examples.running("producer", "no kind") as producer:
        assert await producer.process.wait() == 1


async def test_a_worker_whose_id_another_one_takes_ends_and_does_not_come_back(
    examples: Examples, client: Client
) -> None:
    async with examples.running("worker", GOSYNQ_WORKER_ID="twin") as first:
        job = await client.enqueue("echo", {}, queue=examples.queue)
        await client.wait(job.id, timedelta(seconds=20))
        async with examples.running("worker", GOSYNQ_WORKER_ID="twin"):
            async with asyncio.timeout(20):
                assert await first.process.wait() != 0
            job = await client.enqueue("echo", {}, queue=examples.queue)
            assert (await client.wait(job.id, timedelta(seconds=20))).status is JobStatus.COMPLETED
