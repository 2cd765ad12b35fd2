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
from gosynq.v1.job_service_pb2 import StreamEnqueueJobsRequest
from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.domain.errors import DatabaseUnavailable, QueueDraining
from gosynq_server.rpc.enqueue_stream import GROUP_LIMIT, UNANSWERED_LIMIT
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from tests.rpc.refusals import refusal_in
from tests.rpc.scripted import Observed, ScriptedService, enqueued, scripted_services

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

PATH = "/gosynq.v1.JobService/StreamEnqueueJobs"


def item(sequence: int, **fields: Any) -> StreamEnqueueJobsRequest:
    return StreamEnqueueJobsRequest(sequence=sequence, job=JobSpec(**{"queue": "q", "kind": f"k{sequence}"} | fields))


async def answers_of(call: Any) -> dict[int, Any]:
    return {answer.sequence: answer async for answer in call}


async def test_every_item_is_answered_by_its_sequence(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    answers = await answers_of(stub.StreamEnqueueJobs(iter([item(number) for number in range(2500)])))

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


async def test_a_bad_item_is_answered_and_the_stream_goes_on(stub: JobServiceAsyncStub) -> None:
    bad = item(2, queue="!", labels={"a": "1"}), item(3, payload_bytes=b"{", content_type="application/json")

    answers = await answers_of(stub.StreamEnqueueJobs(iter([item(1), *bad, item(-4)])))

    assert {number: answer.WhichOneof("outcome") for number, answer in answers.items()} == {
        1: "result",
        2: "error",
        3: "error",
        -4: "result",
    }
    assert refusal_in(answers[2].error).fields == ("job.queue",)
    assert refusal_in(answers[3].error).fields == ("job.payload_bytes",)
    assert refusal_in(answers[3].error).code == "INVALID_ARGUMENT"


async def test_an_item_that_the_service_refuses_is_told_why(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    async def refuse_the_first(specs: Sequence[Any]) -> list[Any]:
        return [QueueDraining(queue="q") if spec.kind == "k1" else enqueued(spec.kind) for spec in specs]

    service.answers["enqueue_each"] = refuse_the_first

    answers = await answers_of(stub.StreamEnqueueJobs(iter([item(1), item(2)])))

    assert refusal_in(answers[1].error).reason == "QUEUE_DRAINING"
    assert answers[2].result.job_id == "k2"


async def test_a_group_that_fails_whole_is_answered_item_by_item(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    service.answers["enqueue_each"] = DatabaseUnavailable()

    call = stub.StreamEnqueueJobs(iter([item(1), item(2)]))
    answers = await answers_of(call)

    assert {refusal_in(answer.error).reason for answer in answers.values()} == {"DATABASE_UNAVAILABLE"}
    assert await call.code() is grpc.StatusCode.OK


async def test_a_bug_ends_the_stream_without_its_text(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    service.answers["enqueue_each"] = RuntimeError("the secret")
    call = stub.StreamEnqueueJobs(iter([item(1)]))

    assert await call.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in await call.details()


async def test_bytes_that_are_no_item_end_the_stream(channel: Any) -> None:
    call = channel.stream_stream(PATH)(iter([b"\x12\xff\xff"]))

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
    yield item(1)
    sent.append(1)
    await held.wait()


async def test_reading_stops_while_a_thousand_items_are_unanswered(
    stub: JobServiceAsyncStub, service: ScriptedService, gate: Gate
) -> None:
    total = UNANSWERED_LIMIT * 3
    call = stub.StreamEnqueueJobs(iter([item(number) for number in range(total)]))
    async with asyncio.timeout(10):
        await gate.entered.wait()
    gate.opened.set()

    assert len(await answers_of(call)) == total
    assert max(len(specs) for _, specs in service.calls) <= GROUP_LIMIT


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
        assert answer.result.job_id == "k1"
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
