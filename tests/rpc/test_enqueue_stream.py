"""A stream of jobs: each item is answered once, in groups, until either side ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gosynq.v1.job_pb2 import JobSpec
from gosynq.v1.job_service_pb2 import GetJobRequest, StreamEnqueueItem, StreamEnqueueJobsRequest
from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.domain.errors import DatabaseUnavailable, FieldViolation, QueueDraining, ValidationFailed
from gosynq_server.rpc.enqueue_stream import GROUP_LIMIT, UNANSWERED_LIMIT
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from tests.rpc.refusals import refusal_in, refusal_of
from tests.rpc.scripted import Observed, ScriptedService, enqueued, scripted_services

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

PATH = "/gosynq.v1.JobService/StreamEnqueueJobs"
NOBODY = "0195e7a4-5a5a-7000-8000-000000000001"
MEBIBYTE = 1024 * 1024


def item(sequence: int, **fields: Any) -> StreamEnqueueItem:
    return StreamEnqueueItem(sequence=sequence, job=JobSpec(**{"queue": "q", "kind": f"k{sequence}"} | fields))


def message(*items: StreamEnqueueItem) -> StreamEnqueueJobsRequest:
    return StreamEnqueueJobsRequest(items=items)


def messages(items: Sequence[StreamEnqueueItem], size: int) -> list[StreamEnqueueJobsRequest]:
    return [message(*items[start : start + size]) for start in range(0, len(items), size)]


async def answers_of(call: Any) -> dict[int, Any]:
    """Collect the results by sequence; a second answer to an item is an error."""
    answers: dict[int, Any] = {}
    async for response in call:
        assert 1 <= len(response.results) <= 1000
        for result in response.results:
            assert result.sequence not in answers
            answers[result.sequence] = result
    return answers


@pytest.mark.parametrize("size", [1, 100, 1000])
async def test_every_item_is_answered_by_its_sequence(
    stub: JobServiceAsyncStub, service: ScriptedService, size: int
) -> None:
    items = [item(number) for number in range(2500)]

    answers = await answers_of(stub.StreamEnqueueJobs(iter(messages(items, size))))

    assert {number: answer.result.job_id for number, answer in answers.items()} == {
        number: f"k{number}" for number in range(2500)
    }
    sizes = [len(specs) for _, specs in service.calls]
    assert sum(sizes) == 2500
    assert max(sizes) <= GROUP_LIMIT


async def test_a_stream_of_nothing_ends_well(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    call = stub.StreamEnqueueJobs(iter([]))

    assert await answers_of(call) == {}
    assert await call.code() is grpc.StatusCode.OK
    assert service.calls == []


async def test_a_bad_item_is_answered_by_itself_and_the_stream_goes_on(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    bad = item(2, queue="!", labels={"a": "1"}), item(3, payload_bytes=b"{", content_type="application/json")
    sent = [message(item(1), *bad, item(-4)), message(StreamEnqueueItem(sequence=5)), message(item(6))]

    answers = await answers_of(stub.StreamEnqueueJobs(iter(sent)))

    refusals = {number: refusal_in(answers[number].error) for number in (2, 3, 5)}
    assert {refusal.code for refusal in refusals.values()} == {"INVALID_ARGUMENT"}
    assert {number: refusal.fields for number, refusal in refusals.items()} == {
        2: ("job.queue",),
        3: ("job.payload_bytes",),
        5: ("job",),
    }
    assert {number: answers[number].result.job_id for number in (1, -4, 6)} == {1: "k1", -4: "k-4", 6: "k6"}
    assert [spec.kind for _, specs in service.calls for spec in specs] == ["k1", "k-4", "k6"]


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_message_of_no_items_or_too_many_ends_the_stream_when_all_before_it_is_answered(
    stub: JobServiceAsyncStub, count: int
) -> None:
    call: Any = stub.StreamEnqueueJobs(iter([message(item(1)), message(*[item(2, queue="!")] * count)]))

    assert (await call.read()).results[0].result.job_id == "k1"
    refusal = await refusal_of(call.read())

    assert (refusal.code, refusal.reason, refusal.fields[0]) == ("INVALID_ARGUMENT", "VALIDATION_FAILED", "items")


async def test_an_item_that_the_service_refuses_is_told_why(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    async def refuse_the_first(specs: Sequence[Any]) -> list[Any]:
        return [QueueDraining(queue="q") if spec.kind == "k1" else enqueued(spec.kind) for spec in specs]

    service.answers["enqueue_each"] = refuse_the_first

    answers = await answers_of(stub.StreamEnqueueJobs(iter([message(item(1), item(2))])))

    assert refusal_in(answers[1].error).reason == "QUEUE_DRAINING"
    assert answers[2].result.job_id == "k2"


async def test_a_group_that_fails_whole_is_answered_item_by_item(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    service.answers["enqueue_each"] = DatabaseUnavailable()

    call = stub.StreamEnqueueJobs(iter([message(item(1), item(2))]))
    answers = await answers_of(call)

    assert {refusal_in(answer.error).reason for answer in answers.values()} == {"DATABASE_UNAVAILABLE"}
    assert await call.code() is grpc.StatusCode.OK


async def test_a_bug_ends_the_stream_without_its_text(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    service.answers["enqueue_each"] = RuntimeError("the secret")
    call = stub.StreamEnqueueJobs(iter([message(item(1))]))

    assert await call.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in await call.details()


async def test_bytes_that_are_no_message_end_the_stream(channel: Any) -> None:
    call = channel.stream_stream(PATH)(iter([b"\x0a\xff\xff"]))

    assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT


class Gate:
    """An enqueue_each that is held until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def enqueue_each(self, specs: Sequence[Any]) -> list[Any]:
        self.entered.set()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return [enqueued(spec.kind) for spec in specs]


@pytest.fixture
def gate(service: ScriptedService) -> Gate:
    gate = Gate()

    async def held(specs: Sequence[Any]) -> list[Any]:
        return await gate.enqueue_each(specs)

    service.answers["enqueue_each"] = held
    return gate


async def endless(sent: list[int], held: asyncio.Event) -> AsyncIterator[StreamEnqueueJobsRequest]:
    """Send one item and keep the stream open until the event is set."""
    yield message(item(1))
    sent.append(1)
    await held.wait()


async def open_late(gate: Gate, stub: JobServiceAsyncStub) -> None:
    """Open the gate when the server has had the time to read whatever it would read before."""
    async with asyncio.timeout(10):
        await gate.entered.wait()
        for _ in range(50):
            await stub.GetJob(GetJobRequest(job_id=NOBODY))
    gate.opened.set()


async def test_reading_stops_while_a_thousand_items_are_unanswered(
    stub: JobServiceAsyncStub, service: ScriptedService, gate: Gate
) -> None:
    items = [item(number) for number in range(UNANSWERED_LIMIT * 3)]
    call = stub.StreamEnqueueJobs(iter(messages(items, 100)))
    await open_late(gate, stub)

    assert len(await answers_of(call)) == len(items)
    first, second = [len(call[1]) for call in service.calls if call[0] == "enqueue_each"][:2]
    assert first + second <= UNANSWERED_LIMIT


async def test_large_items_are_enqueued_in_groups_of_four_mebibytes(
    stub: JobServiceAsyncStub, service: ScriptedService, gate: Gate
) -> None:
    size = 50_000
    items = [item(number, payload_bytes=b"x" * size, content_type="a/b") for number in range(200)]
    call = stub.StreamEnqueueJobs(iter(messages(items, 50)))
    await open_late(gate, stub)

    assert len(await answers_of(call)) == 200
    groups = [call[1] for call in service.calls if call[0] == "enqueue_each"]
    assert all(sum(len(spec.payload) for spec in specs) <= 4 * MEBIBYTE + size for specs in groups)


async def test_answers_that_tell_much_are_cut_into_messages_that_any_client_takes(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    violations = [FieldViolation(field="job.labels", description="x" * 500) for _ in range(20)]
    service.answers["enqueue_each"] = ValidationFailed(tuple(violations))

    call = stub.StreamEnqueueJobs(iter([message(*map(item, range(1000)))]))
    sizes = [response.ByteSize() async for response in call]

    assert sum(sizes) > 3 * MEBIBYTE
    assert max(sizes) < 2.5 * MEBIBYTE


async def test_a_caller_who_goes_cancels_what_is_under_way(
    stub: JobServiceAsyncStub, gate: Gate, observed: Observed
) -> None:
    call = stub.StreamEnqueueJobs(endless([], asyncio.Event()))
    async with asyncio.timeout(5):
        await gate.entered.wait()
        call.cancel()
        await gate.cancelled.wait()
    assert await observed.take() == [(PATH, "CANCELLED")]


async def test_a_draining_server_answers_what_it_read_and_ends_the_stream(
    stub: JobServiceAsyncStub, server: RpcServer, gate: Gate
) -> None:
    call = stub.StreamEnqueueJobs(endless([], asyncio.Event()))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        await gate.entered.wait()
        group.create_task(server.stop(timedelta(seconds=4)))
        gate.opened.set()
        answer: Any = await call.read()
        assert answer.results[0].result.job_id == "k1"
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert "stopping" in await call.details()


@pytest.fixture
async def aged_target(service: ScriptedService, options: RpcOptions) -> AsyncIterator[str]:
    """Give a server whose streams reach their age at once."""
    aged = replace(options, stream_age=timedelta(milliseconds=50))
    server = build_server(scripted_services(service), aged)
    port = server.bind("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(timedelta())


async def test_a_stream_ends_by_its_own_protocol_at_its_age(aged_target: str) -> None:
    async with asyncio.timeout(5), grpc.aio.insecure_channel(aged_target) as channel:
        call = JobServiceStub(channel).StreamEnqueueJobs(endless([], asyncio.Event()))
        answers = []
        with pytest.raises(grpc.aio.AioRpcError):
            answers.extend([answer async for answer in call])
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
