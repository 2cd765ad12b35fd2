"""A watch that is interrupted, over a real connection: where it goes on, and what it does not survive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from gosynq.v1 import event_service_pb2
from gosynq_client import (
    Client,
    CursorExpired,
    CursorInvalid,
    GosynqError,
    PermissionMissing,
    ServerDraining,
    Unavailable,
    ValidationFailed,
)
from tests.contract.client.scripted import UNAVAILABLE, Context, Script, new_server, status
from tests.contract.client.watching import DRAINING, SECONDS, reason, says, starts, stays, take, told

MOMENT = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "ending",
    [
        DRAINING,
        UNAVAILABLE,
        reason(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        reason(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER", cursor="c1"),
        reason(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS"),
        status(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        status(grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
        status(grpc.StatusCode.UNKNOWN, "Stream removed"),
        status(grpc.StatusCode.DEADLINE_EXCEEDED, "a proxy's longest time"),
        told("c1"),
    ],
    ids=str,
)
async def test_what_passes_is_gone_on_after_from_the_last_cursor(
    script: Script, client: Client, ending: Message
) -> None:
    script.watches += says(told("c0"), told("c1", "a", "b"), ending), stays(told("c1"), told("c2", "c"))

    assert await take(client.watch(queues=["mail"]), 3) == ["a", "b", "c"]

    first, second = script.requests("WatchEvents")
    assert (first.cursor, second.cursor) == ("", "c1")
    assert second.queues == ["mail"]


@pytest.mark.parametrize("ending", [UNAVAILABLE, status(grpc.StatusCode.CANCELLED, "CANCELLED")], ids=str)
@pytest.mark.parametrize("start", [{"from_oldest": True}, {"start_at": MOMENT}, {"cursor": "c0"}], ids=str)
async def test_a_start_that_no_server_answered_is_asked_for_again(
    script: Script, client: Client, start: dict[str, Any], ending: Message
) -> None:
    script.watches += says(ending), says(told("c1", "a"), UNAVAILABLE), stays(told("c2", "b"))

    assert await take(client.watch(**start), 2) == ["a", "b"]

    first, second, third = script.requests("WatchEvents")
    assert first == second
    assert first.WhichOneof("start") == next(iter(start))
    assert third.cursor == "c1"


async def test_events_that_a_resumed_stream_repeats_are_not_given_again(script: Script, client: Client) -> None:
    script.watches += (
        says(told("c1", "a", "b", "c"), UNAVAILABLE),
        says(told("c1", "a", "b"), told("c2", "c", "d"), UNAVAILABLE),
        stays(told("c2", "c"), told("c3", "d", "e")),
    )

    assert await take(client.watch(), 5) == ["a", "b", "c", "d", "e"]


async def test_a_repeat_of_the_largest_response_is_recognized(script: Script, client: Client) -> None:
    largest = [str(number) for number in range(1000)]
    script.watches += (
        says(told("c1", "before"), told("c2", *largest), UNAVAILABLE),
        stays(told("c2", *largest), told("c3", "after")),
    )

    assert await take(client.watch(), 1002) == ["before", *largest, "after"]


class Log:
    """A server's log of numbered events, told in responses of changing sizes by streams that all break.

    Now and then a stream repeats what the response before its cursor held, as the contract lets it.
    """

    def __init__(self, length: int, breaks: Iterable[Message]) -> None:
        self._length = length
        self._breaks = iter(breaks)
        self._streams = 0

    async def follow(self, request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        self._streams += 1
        at = int(request.cursor or 0)
        yield told(str(at))
        at -= min(at, 4) * (self._streams % 2)
        for size in (1, 5, 2, 4):
            events = [str(number) for number in range(at, min(at + size, self._length))]
            at += len(events)
            yield told(str(at), *events)
        await context.abort_with_status(rpc_status.to_status(next(self._breaks)))


async def test_over_any_number_of_interruptions_each_event_comes_once_and_in_order(
    script: Script, client: Client
) -> None:
    log = Log(200, [DRAINING, UNAVAILABLE, reason(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_CONSUMER")] * 20)
    script.watches.append(log.follow)

    assert await take(client.watch(from_oldest=True), 200) == [str(number) for number in range(200)]


async def test_a_stream_that_says_nothing_for_three_heartbeats_is_left(script: Script, client: Client) -> None:
    left = asyncio.Event()
    script.watches += stays(told("c1", "a"), left=left), stays(told("c2", "b"))
    errors: list[GosynqError | None] = []

    watch = client.watch(heartbeat_interval=timedelta(milliseconds=200), on_connection=errors.append)

    assert await take(watch, 2) == ["a", "b"]
    async with asyncio.timeout(SECONDS):
        await left.wait()
    assert str(errors[1]) == "the server has said nothing for 0.6 s"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (reason(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", oldest_cursor="c5"), CursorExpired),
        (reason(grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID"), CursorInvalid),
        (reason(grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED"), ValidationFailed),
        (reason(grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING", queue="mail"), PermissionMissing),
        (status(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"), GosynqError),
        (status(grpc.StatusCode.INTERNAL, "no gRPC is spoken here"), GosynqError),
        (status(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max"), GosynqError),
    ],
    ids=str,
)
async def test_what_does_not_pass_is_raised_and_is_the_end(
    script: Script, client: Client, refusal: status_pb2.Status, kind: type[GosynqError]
) -> None:
    script.watches.append(says(refusal))
    watch = client.watch(cursor="c0")

    with pytest.raises(GosynqError) as caught:
        await anext(watch)

    assert type(caught.value) is kind
    assert [event async for event in watch] == []
    assert starts(script) == ["c0"]


async def test_a_cursor_that_expires_during_an_outage_is_told_as_such(script: Script, client: Client) -> None:
    expired = reason(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", oldest_cursor="c9")
    script.watches += says(told("c1", "a"), UNAVAILABLE), says(expired)
    watch = client.watch()
    await take(watch, 1)

    with pytest.raises(CursorExpired) as caught:
        await take(watch, 1)

    assert caught.value.metadata == {"oldest_cursor": "c9"}
    assert watch.cursor == "c1"


async def serve(script: Script, target: str) -> grpc.aio.Server:
    server = new_server(script)
    server.add_insecure_port(target)
    await server.start()
    return server


async def test_a_server_that_is_restarted_is_found_again(script: Script, tmp_path: Path) -> None:
    script.watches += stays(told("c1", "a")), stays(told("c2", "b"))
    target = f"unix:{tmp_path}/socket"
    server = await serve(script, target)
    down = asyncio.Event()

    async with Client(target) as client:
        watch = client.watch(on_connection=lambda error: down.set() if error else None)
        await take(watch, 1)
        more = asyncio.create_task(take(watch, 1))
        await server.stop(None)
        async with asyncio.timeout(SECONDS):
            await down.wait()
        server = await serve(script, target)

        assert await more == ["b"]

    await server.stop(None)
    assert starts(script) == ["", "c1"]


async def test_a_server_that_comes_later_is_waited_for(script: Script, tmp_path: Path) -> None:
    script.watches.append(stays(told("c1", "a")))
    target = f"unix:{tmp_path}/socket"
    down = asyncio.Event()

    async with Client(target) as client:
        taking = asyncio.create_task(take(client.watch(on_connection=lambda _: down.set()), 1))
        async with asyncio.timeout(SECONDS):
            await down.wait()
        server = await serve(script, target)

        assert await taking == ["a"]

    await server.stop(None)


async def test_without_patience_the_first_interruption_is_the_end() -> None:
    said: list[GosynqError | None] = []

    async with Client("127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            await anext(client.watch(give_up_after=timedelta(), on_connection=said.append))

    assert said == []


async def test_patience_ends_after_the_time_that_was_said(script: Script, client: Client) -> None:
    script.watches += says(told("c1", "a"), DRAINING), says(UNAVAILABLE)
    watch = client.watch(give_up_after=timedelta(milliseconds=300))
    await take(watch, 1)

    with pytest.raises(Unavailable) as caught:
        await take(watch, 1)

    assert str(caught.value) == "going down"
    assert len(script.requests("WatchEvents")) > 2


async def test_an_observer_is_told_of_each_interruption_and_of_its_end(script: Script, client: Client) -> None:
    script.watches += says(told("c1", "a"), DRAINING), says(UNAVAILABLE), stays(told("c2", "b"))
    said: list[GosynqError | None] = []

    await take(client.watch(on_connection=said.append), 2)

    assert [error and type(error) for error in said] == [None, ServerDraining, Unavailable, None]


async def test_what_an_observer_raises_ends_the_watch(script: Script, client: Client) -> None:
    script.watches.append(says(UNAVAILABLE))

    def give_up(error: GosynqError | None) -> None:
        if error:
            raise error

    watch = client.watch(on_connection=give_up)

    with pytest.raises(Unavailable):
        await anext(watch)
    assert [event async for event in watch] == []
    assert len(script.requests("WatchEvents")) == 1
