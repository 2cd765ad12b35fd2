"""Watching events over a real connection: what is asked for, and what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_status import rpc_status

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2, job_service_pb2
from gosynq_client import (
    Client,
    ClientOptions,
    EventType,
    Priority,
)
from tests.contract.client.scripted import UNAVAILABLE, Context, Script
from tests.contract.client.watching import SECONDS, says, starts, stays, take, told

MOMENT = datetime(2030, 1, 2, tzinfo=UTC)


async def test_a_watch_goes_out_with_everything_that_was_said_of_it(script: Script, client: Client) -> None:
    script.watches.append(says())

    watch = client.watch(
        queues=["mail"],
        kinds=["send_email"],
        types=[EventType.FAILED, EventType.PROGRESS],
        job_ids=("job-1",),
        labels={"tenant": "acme", "a": "b=c"},
        priorities=[Priority.HIGH],
        start_at=MOMENT,
        include_payload=True,
        stop_when_terminal=True,
        heartbeat_interval=timedelta(seconds=5),
        max_batch_size=7,
    )

    assert [event async for event in watch] == []
    assert script.requests("WatchEvents") == [
        event_service_pb2.WatchEventsRequest(
            queues=["mail"],
            kinds=["send_email"],
            types=[event_pb2.EVENT_TYPE_FAILED, event_pb2.EVENT_TYPE_PROGRESS],
            job_ids=["job-1"],
            labels=["tenant=acme", "a=b=c"],
            priorities=[job_pb2.JOB_PRIORITY_HIGH],
            start_at=Timestamp(seconds=int(MOMENT.timestamp())),
            include_payload=True,
            stop_when_terminal=True,
            heartbeat_interval=Duration(seconds=5),
            max_batch_size=7,
        )
    ]


async def test_nothing_said_watches_everything_from_now_on(script: Script, client: Client) -> None:
    script.watches.append(stays(told("c1", "a")))

    assert await take(client.watch(), 1) == ["a"]

    expected = event_service_pb2.WatchEventsRequest(heartbeat_interval=Duration(seconds=15))
    assert script.requests("WatchEvents") == [expected]


async def test_a_token_goes_with_a_watch_and_no_deadline(script: Script, target: str) -> None:
    script.watches.append(stays(told("c1", "a")))

    async with Client(target, ClientOptions(token="s3cret")) as client:
        await take(client.watch(), 1)

    [call] = script.received["WatchEvents"]
    assert call.metadata["authorization"] == "Bearer s3cret"
    assert call.seconds is None


async def test_the_cursor_moves_when_all_of_a_response_has_been_given(script: Script, client: Client) -> None:
    script.watches.append(stays(told("c1"), told("c2", "a", "b")))
    watch = client.watch(cursor="c0")

    assert watch.cursor == "c0"
    assert await take(watch, 1) == ["a"]
    assert watch.cursor == "c1"
    assert await take(watch, 1) == ["b"]
    assert watch.cursor == "c2"
    assert watch.server_time == datetime.fromtimestamp(1000, UTC)


async def test_there_is_no_cursor_before_a_server_has_answered(client: Client) -> None:
    assert client.watch().cursor is None


async def test_a_bookmark_moves_the_cursor_while_nothing_happens(script: Script, client: Client) -> None:
    asked = asyncio.Event()

    async def bookmark(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        yield told("c1")
        yield told("c2")
        await context.abort_with_status(rpc_status.to_status(UNAVAILABLE))

    async def ask(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        asked.set()
        await asyncio.Event().wait()
        yield

    script.watches += bookmark, ask
    watch = client.watch()

    waiting = asyncio.create_task(take(watch, 1))
    async with asyncio.timeout(SECONDS):
        await asked.wait()
    waiting.cancel()

    assert watch.cursor == "c2"
    assert starts(script) == ["", "c2"]


async def test_a_consumer_that_stops_inside_a_response_goes_on_where_it_stopped(script: Script, client: Client) -> None:
    script.watches += says(told("c1", "a", "b", "c"), UNAVAILABLE), stays(told("c2", "d"))
    watch = client.watch()

    async for event in watch:
        assert event.event_id == "a"
        break

    assert await take(watch, 3) == ["b", "c", "d"]
    assert starts(script) == ["", "c1"]


async def test_a_wait_that_is_cancelled_loses_nothing(script: Script, client: Client) -> None:
    script.watches += stays(told("c1", "a")), stays(told("c1"), told("c2", "b"))
    watch = client.watch()
    await take(watch, 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await anext(watch)

    assert await take(watch, 1) == ["b"]
    assert starts(script) == ["", "c1"]


async def test_two_tasks_may_share_a_watch(script: Script, client: Client) -> None:
    script.watches.append(stays(told("c1", "a"), told("c2", "b", "c"), told("c3", "d")))
    watch = client.watch()

    first, second = await asyncio.gather(take(watch, 2), take(watch, 2))

    assert sorted(first + second) == ["a", "b", "c", "d"]


async def test_a_watch_from_an_enqueue_begins_with_its_cursor(script: Script, client: Client) -> None:
    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse(job_id="job-1", cursor="c7"))
    script.watches.append(says(told("c8", "a")))

    enqueued = await client.enqueue("send_email")
    watch = client.watch(job_ids=[enqueued.id], cursor=enqueued.cursor, stop_when_terminal=True)

    assert [event.event_id async for event in watch] == ["a"]
    assert starts(script) == ["c7"]
