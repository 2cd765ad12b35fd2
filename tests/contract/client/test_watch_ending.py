"""How a watch ends, over a real connection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from gosynq.v1 import event_service_pb2, job_service_pb2
from gosynq_client import Client, JobEvent
from tests.contract.client.scripted import UNAVAILABLE, Context, Script, status
from tests.contract.client.watching import SECONDS, says, stays, take, told


async def test_leaving_a_watch_ends_its_call(script: Script, client: Client) -> None:
    left = asyncio.Event()
    script.watches.append(stays(told("c1", "a"), left=left))

    async with client.watch() as watch:
        await take(watch, 1)

    async with asyncio.timeout(SECONDS):
        await left.wait()
    assert [event async for event in watch] == []


async def test_a_watch_that_is_forgotten_ends_its_call(script: Script, client: Client) -> None:
    left = asyncio.Event()
    script.watches.append(stays(told("c1", "a"), left=left))

    await take(client.watch(), 1)
    gc.collect()

    async with asyncio.timeout(SECONDS):
        await left.wait()


async def test_closing_ends_an_iteration_that_waits_for_an_event(script: Script, client: Client) -> None:
    script.watches.append(stays(told("c1", "a")))
    watch = client.watch(stop_when_terminal=True)
    taken: list[str] = []
    begun = asyncio.Event()

    async def consume() -> None:
        async for event in watch:
            taken.append(event.event_id)
            begun.set()

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(consume())
        await begun.wait()
        await watch.aclose()
        await watch.aclose()

    assert taken == ["a"]


@pytest.mark.parametrize("close", ["watch", "client"])
async def test_closing_ends_an_iteration_that_waits_for_a_server(script: Script, client: Client, close: str) -> None:
    patient = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1000))
    script.watches.append(says(status(grpc.StatusCode.UNAVAILABLE, "away", patient)))
    down = asyncio.Event()
    watch = client.watch(on_connection=lambda error: down.set())

    async def consume() -> list[JobEvent]:
        return [event async for event in watch]

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        consumed = group.create_task(consume())
        await down.wait()
        await (watch.aclose() if close == "watch" else client.close())

    assert consumed.result() == []


async def test_closing_the_client_ends_its_watches(script: Script, client: Client) -> None:
    script.watches.append(stays(told("c1", "a")))
    begun = asyncio.Event()

    async def consume() -> list[str]:
        taken = []
        async for event in client.watch():
            taken.append(event.event_id)
            begun.set()
        return taken

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        consumed = group.create_task(consume())
        await begun.wait()
        await client.close()

    assert consumed.result() == ["a"]


async def test_a_task_that_is_cancelled_is_cancelled(script: Script, client: Client) -> None:
    left = asyncio.Event()
    script.watches.append(stays(told("c1", "a"), left=left))
    begun = asyncio.Event()

    async def consume() -> None:
        async with aclosing(client.watch()) as watch:
            async for _ in watch:
                begun.set()

    consuming = asyncio.create_task(consume())
    async with asyncio.timeout(SECONDS):
        await begun.wait()
        consuming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await consuming
        await left.wait()


async def test_a_watch_ends_once_its_jobs_are_terminal(script: Script, client: Client) -> None:
    script.watches += says(told("c1", "a"), UNAVAILABLE), says(told("c2", "b"))

    watch = client.watch(job_ids=["job-1"], stop_when_terminal=True)

    assert [event.event_id async for event in watch] == ["a", "b"]
    assert [request.stop_when_terminal for request in script.requests("WatchEvents")] == [True, True]


async def test_what_a_server_said_before_it_ended_is_given_however_late_it_is_taken(
    script: Script, client: Client
) -> None:
    ended = asyncio.Event()

    async def say_all(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        for number in range(20):
            yield told(f"c{number}", str(number))
        ended.set()

    script.watches.append(say_all)
    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse(job_id="job-1"))
    watch = client.watch(job_ids=["job-1"], stop_when_terminal=True)

    assert await take(watch, 1) == ["0"]
    await ended.wait()
    # Without a key it goes over the watch's own connection: once it is answered, the stream's end has come too.
    await client.enqueue("send_email", idempotency_key="")

    assert [event.event_id async for event in watch] == [str(number) for number in range(1, 20)]
    assert len(script.requests("WatchEvents")) == 1
