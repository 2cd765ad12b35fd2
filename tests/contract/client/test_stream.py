"""Enqueueing over a stream, over a real connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_client import (
    Client,
    EnqueuedJob,
    EnqueueStreamBroken,
    JobRequest,
    JobStatus,
    ProtocolViolation,
    QueueFull,
    Unavailable,
)
from tests.contract.client.scripted import Context, Script, status

SECONDS = 5


async def numbered(count: int) -> AsyncIterator[JobRequest]:
    for number in range(count):
        yield JobRequest("count", {"n": number})


def result(sequence: int) -> job_service_pb2.StreamEnqueueResult:
    added = job_service_pb2.EnqueueJobResponse(job_id=f"job-{sequence}", status=job_pb2.JOB_STATUS_PENDING)
    return job_service_pb2.StreamEnqueueResult(sequence=sequence, result=added)


def answer(*sequences: int) -> job_service_pb2.StreamEnqueueJobsResponse:
    return job_service_pb2.StreamEnqueueJobsResponse(results=map(result, sequences))


async def items_of(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        for item in request.items:
            yield item


async def add_all(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
    async for request in requests:
        yield answer(*[item.sequence for item in request.items])


async def test_every_job_of_a_stream_gets_its_result(script: Script, client: Client) -> None:
    script.stream = add_all

    results = [result async for result in client.enqueue_stream(numbered(10_000))]

    assert [result.sequence for result in results] == list(range(10_000))
    assert [result.request.payload for result in results] == [{"n": number} for number in range(10_000)]
    assert results[7].outcome == EnqueuedJob(id="job-7", status=JobStatus.PENDING, deduplicated=False, job=None)
    assert len({result.request.idempotency_key for result in results}) == 10_000


async def test_what_the_source_has_ready_goes_together(script: Script, client: Client) -> None:
    sizes: list[int] = []

    async def measure(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            sizes.append(len(request.items))
            yield answer(*[item.sequence for item in request.items])

    script.stream = measure

    assert len([result async for result in client.enqueue_stream(numbered(1000))]) == 1000
    assert sizes == [100] * 10


async def test_a_lone_job_is_sent_before_the_source_gives_the_next(script: Script, client: Client) -> None:
    script.stream = add_all
    answered = asyncio.Event()

    async def one_by_one() -> AsyncIterator[JobRequest]:
        for number in range(3):
            yield JobRequest("count", {"n": number})
            async with asyncio.timeout(SECONDS):
                await answered.wait()
            answered.clear()

    sequences = []
    async for result in client.enqueue_stream(one_by_one()):
        sequences.append(result.sequence)
        answered.set()

    assert sequences == [0, 1, 2]


async def test_large_jobs_go_in_messages_that_a_server_takes(script: Script, client: Client) -> None:
    sizes: list[int] = []

    async def measure(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            sizes.append(request.ByteSize())
            yield answer(*[item.sequence for item in request.items])

    async def large() -> AsyncIterator[JobRequest]:
        for _ in range(25):
            yield JobRequest("store", bytes(200_000), content_type="a/b")

    script.stream = measure

    assert len([result async for result in client.enqueue_stream(large())]) == 25
    assert sizes == [pytest.approx(1_000_000, rel=0.01)] * 5


@pytest.mark.parametrize("sequences", [(0, 7), (0, 0)], ids=["never asked", "answered before"])
async def test_an_answer_to_no_item_breaks_the_stream_and_says_so(
    script: Script, client: Client, sequences: tuple[int, ...]
) -> None:
    async def answer_wrong(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        await anext(requests)
        yield answer(*sequences)

    script.stream = answer_wrong

    with pytest.raises(EnqueueStreamBroken) as caught:
        [result async for result in client.enqueue_stream(numbered(2))]

    assert [request.payload for request in caught.value.unanswered] == [{"n": 1}]
    assert isinstance(caught.value.__cause__, ProtocolViolation)
    assert f"item {sequences[1]} " in str(caught.value.__cause__)


async def test_results_may_come_in_any_order(script: Script, client: Client) -> None:
    async def backwards(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        for item in reversed([item async for item in items_of(requests)]):
            yield answer(item.sequence)

    script.stream = backwards

    results = [result async for result in client.enqueue_stream(numbered(3))]

    assert [(result.sequence, result.request.payload) for result in results] == [
        (2, {"n": 2}),
        (1, {"n": 1}),
        (0, {"n": 0}),
    ]


async def test_a_refused_job_is_a_result_and_the_stream_goes_on(script: Script, client: Client) -> None:
    full = status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "full", error_details_pb2.ErrorInfo(domain="gosynq", reason="QUEUE_FULL")
    )

    async def refuse_first(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        refused = job_service_pb2.StreamEnqueueResult(sequence=0, error=full)
        async for request in requests:
            others = [result(item.sequence) for item in request.items if item.sequence > 0]
            yield job_service_pb2.StreamEnqueueJobsResponse(results=[refused, *others])

    script.stream = refuse_first

    first, second = [result.outcome async for result in client.enqueue_stream(numbered(2))]

    assert isinstance(first, QueueFull)
    assert str(first) == "full"
    assert isinstance(second, EnqueuedJob)


async def test_a_broken_stream_gives_back_the_jobs_in_doubt_with_their_keys(script: Script, client: Client) -> None:
    sent: list[str] = []

    async def break_off(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for item in items_of(requests):
            sent.append(item.job.idempotency_key)
            if len(sent) == 3:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
            if len(sent) == 1:
                yield answer(item.sequence)

    script.stream = break_off

    with pytest.raises(EnqueueStreamBroken) as caught:
        [result async for result in client.enqueue_stream(numbered(3))]

    assert [request.payload for request in caught.value.unanswered] == [{"n": 1}, {"n": 2}]
    assert [request.idempotency_key for request in caught.value.unanswered] == sent[1:]
    assert isinstance(caught.value.__cause__, Unavailable)
    assert str(caught.value.__cause__) == "going down"


async def test_a_server_that_hangs_up_early_leaves_jobs_in_doubt(script: Script, client: Client) -> None:
    async def hang_up(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        yield answer((await anext(requests)).items[0].sequence)

    script.stream = hang_up

    async def endless() -> AsyncIterator[JobRequest]:
        yield JobRequest("count")
        await asyncio.Event().wait()

    with pytest.raises(EnqueueStreamBroken, match="0 jobs unanswered"):
        [result async for result in client.enqueue_stream(endless())]


async def test_what_the_source_raises_comes_after_the_last_result(script: Script, client: Client) -> None:
    script.stream = add_all

    async def failing() -> AsyncIterator[JobRequest]:
        yield JobRequest("count")
        raise LookupError("no more input")

    results: list[int] = []

    async def collect() -> None:
        async for result in client.enqueue_stream(failing()):
            results.append(result.sequence)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(LookupError, match="no more input"):
        await collect()

    assert results == [0]


async def test_a_job_that_json_can_not_hold_ends_the_sending(script: Script, client: Client) -> None:
    script.stream = add_all

    async def wrong() -> AsyncIterator[JobRequest]:
        yield JobRequest("count", {"n": object()})

    with pytest.raises(TypeError):
        [result async for result in client.enqueue_stream(wrong())]


async def test_a_caller_that_stops_listening_ends_the_call_and_the_sending(script: Script, client: Client) -> None:
    ended = asyncio.Event()
    stopped = asyncio.Event()

    async def add_until_cancelled(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        try:
            async for item in items_of(requests):
                yield answer(item.sequence)
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def endless() -> AsyncIterator[JobRequest]:
        try:
            yield JobRequest("count")
            await asyncio.Event().wait()
        finally:
            stopped.set()

    script.stream = add_until_cancelled

    async with aclosing(client.enqueue_stream(endless())) as results:
        await anext(results)

    async with asyncio.timeout(SECONDS):
        await ended.wait()
        await stopped.wait()


async def test_no_more_than_a_thousand_jobs_wait_for_their_answer(script: Script, client: Client) -> None:
    taken = 0
    full = asyncio.Event()

    async def counted() -> AsyncIterator[JobRequest]:
        nonlocal taken
        async for request in numbered(1500):
            taken += 1
            yield request

    async def hold(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        items = items_of(requests)
        held = [(await anext(items)).sequence for _ in range(1000)]
        full.set()
        yield answer(*held)
        async for item in items:
            yield answer(item.sequence)

    script.stream = hold
    taken_when_full = asyncio.create_task(_after(full, lambda: taken))

    results = [result async for result in client.enqueue_stream(counted())]

    assert await taken_when_full <= 1001
    assert len(results) == 1500


async def _after(event: asyncio.Event, value: Any) -> Any:
    await event.wait()
    return value()
