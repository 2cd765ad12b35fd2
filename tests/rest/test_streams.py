"""A watch over HTTP as lines of JSON, on a real socket with a real client."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2, timestamp_pb2
from google.rpc import code_pb2

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2
from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rest.streams import Streams
from tests.rest.conftest import Edge
from tests.rest.scripted import OVER, ScriptedEvents, a_response, an_event, failing

WATCH = "/api/v1/events:watch"
JOB_ID = "01900000-0000-7000-8000-000000000001"
TIMEOUT = 5
EXPIRED = failing(code_pb2.OUT_OF_RANGE, "CURSOR_EXPIRED", "the cursor is older than what is kept")


async def read_line(lines: AsyncIterator[str]) -> Any:
    """Wait for a line and read it as JSON."""
    return json.loads(await asyncio.wait_for(anext(lines), TIMEOUT))


async def test_each_message_is_a_line_that_comes_at_once(caller: httpx.AsyncClient, events: ScriptedEvents) -> None:
    events.then(a_response("c1"))
    async with caller.stream("GET", WATCH) as response:
        lines = response.aiter_lines()
        assert (await read_line(lines))["result"]["cursor"] == "c1"

        events.then(a_response("c2", an_event("e1", event_pb2.EVENT_TYPE_DEAD_LETTERED)))
        result = (await read_line(lines))["result"]
        assert (result["cursor"], result["events"][0]["event_id"]) == ("c2", "e1")
        assert result["events"][0]["type"] == "dead_lettered"

        events.then(OVER)
        assert [line async for line in lines] == []


async def test_the_headers_keep_caches_and_proxies_from_holding_it_back(
    caller: httpx.AsyncClient, events: ScriptedEvents
) -> None:
    events.then(a_response("c1"), OVER)

    headers = {"accept-encoding": "gzip", "x-request-id": "r-1"}
    response = await caller.get(WATCH, headers=headers)

    assert response.status_code == 200
    told = {name: response.headers.get(name) for name in ("content-type", "cache-control", "x-accel-buffering", "vary")}
    assert told == {
        "content-type": "application/x-ndjson",
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no",
        "vary": "accept",
    }
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-encoding" not in response.headers
    assert response.headers["x-request-id"] == events.seen[0].metadata["x-request-id"] == "r-1"


async def test_an_error_after_the_first_message_is_the_last_line(
    caller: httpx.AsyncClient, events: ScriptedEvents
) -> None:
    events.then(a_response("c1"), EXPIRED)

    response = await caller.get(WATCH)

    first, last = map(json.loads, response.text.splitlines())
    assert (response.status_code, first["result"]["cursor"]) == (200, "c1")
    assert (last["error"]["code"], last["error"]["status"]) == (11, "OUT_OF_RANGE")
    assert last["error"]["message"] == "the cursor is older than what is kept"
    assert last["error"]["details"][0]["reason"] == "CURSOR_EXPIRED"


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_a_refusal_before_the_first_message_is_an_ordinary_one(
    caller: httpx.AsyncClient, events: ScriptedEvents, accept: str
) -> None:
    events.then(EXPIRED)

    response = await caller.get(WATCH, headers={"accept": accept, "x-request-id": "r-1"})

    assert (response.status_code, response.headers["content-type"]) == (400, "application/json")
    assert response.json()["details"][0]["reason"] == "CURSOR_EXPIRED"
    assert response.headers["x-request-id"] == "r-1"


async def test_a_stream_without_messages_is_empty(caller: httpx.AsyncClient, events: ScriptedEvents) -> None:
    events.then(OVER)

    response = await caller.get(WATCH)

    assert (response.status_code, response.content) == (200, b"")


async def test_the_query_is_written_as_on_other_routes(caller: httpx.AsyncClient, events: ScriptedEvents) -> None:
    events.then(OVER)
    query = (
        f"types=created&types=failed,dead_lettered&priorities=high&queues=a&queues=b&jobIds={JOB_ID}"
        "&start_at=2026-01-31T08:00:00Z&heartbeat_interval=1.5s&max_batch_size=10&include_payload=true"
        "&stop_when_terminal=true&kinds=mail/send"
    )

    await caller.get(f"{WATCH}?{query}")

    start = timestamp_pb2.Timestamp()
    start.FromDatetime(datetime(2026, 1, 31, 8, tzinfo=UTC))
    assert events.seen[0].request == event_service_pb2.WatchEventsRequest(
        types=[event_pb2.EVENT_TYPE_CREATED, event_pb2.EVENT_TYPE_FAILED, event_pb2.EVENT_TYPE_DEAD_LETTERED],
        priorities=[job_pb2.JOB_PRIORITY_HIGH],
        queues=["a", "b"],
        job_ids=[JOB_ID],
        kinds=["mail/send"],
        start_at=start,
        heartbeat_interval=duration_pb2.Duration(seconds=1, nanos=500_000_000),
        max_batch_size=10,
        include_payload=True,
        stop_when_terminal=True,
    )


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("types=exploded", "types[0]: must be one of created, started, succeeded, failed, cancelled"),
        ("cursor=c&from_oldest=true", "from_oldest: can't be joined with cursor"),
        ("page_size=1", "page_size: is not a query parameter here"),
    ],
)
async def test_a_query_that_does_not_fit_is_refused(
    caller: httpx.AsyncClient, events: ScriptedEvents, query: str, message: str
) -> None:
    response = await caller.get(f"{WATCH}?{query}")

    assert response.status_code == 400
    assert response.json()["error"].startswith(message)
    assert events.seen == []


async def test_a_watch_lasts_as_long_as_the_caller_wants_it_to(
    caller: httpx.AsyncClient, events: ScriptedEvents
) -> None:
    events.then(OVER, a_response("c1"))

    await caller.get(WATCH)
    limited = await caller.get(WATCH, headers={"x-request-timeout": "0.5"})

    assert events.seen[0].seconds is None
    assert json.loads(limited.text.splitlines()[-1])["error"]["status"] == "DEADLINE_EXCEEDED"


async def test_another_method_is_refused(caller: httpx.AsyncClient) -> None:
    response = await caller.post(WATCH)

    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("step", [a_response("c1"), EXPIRED])
async def test_head_tells_the_headers_and_watches_no_longer(
    caller: httpx.AsyncClient, events: ScriptedEvents, step: Any
) -> None:
    events.then(step)

    response = await caller.head(WATCH)

    assert response.status_code == (400 if step is EXPIRED else 200)
    assert response.headers["cache-control"].startswith("no-store")
    assert response.content == b""
    await asyncio.wait_for(events.ended.wait(), TIMEOUT)


@pytest.mark.parametrize("steps", [(), (a_response("c1"),)])
async def test_the_watch_is_cancelled_when_the_caller_leaves(
    edge: Edge, events: ScriptedEvents, steps: tuple[Any, ...]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(f"GET {WATCH} HTTP/1.1\r\nhost: edge\r\n\r\n".encode())
    events.then(*steps)
    async with asyncio.timeout(TIMEOUT):
        await events.opened.wait()
        if steps:
            await reader.readuntil(b"\n\r\n")

        writer.close()
        await events.ended.wait()


class Flood:
    """A step that sends more and more, and knows how much was taken."""

    def __init__(self) -> None:
        self.count = 0
        self._sent = asyncio.Event()

    async def __call__(self, context: Any) -> None:
        while True:
            await context.write(a_response(f"c{self.count}", an_event("x" * 16_000)))
            self.count += 1
            self._sent.set()

    async def stall(self) -> int:
        """Wait until nothing more is taken, and return how many responses were."""
        while True:
            self._sent.clear()
            try:
                await asyncio.wait_for(self._sent.wait(), 0.5)
            except TimeoutError:
                return self.count


async def open_slowly(edge: Edge) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a watch as a caller that takes next to nothing unless it reads."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.settimeout(0)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", edge.port))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=4096)
    writer.write(f"GET {WATCH} HTTP/1.1\r\nhost: edge\r\nconnection: close\r\n\r\n".encode())
    return reader, writer


async def test_a_slow_reader_holds_up_its_watch_and_nothing_else(
    edge: Edge, events: ScriptedEvents, caller: httpx.AsyncClient
) -> None:
    flood = Flood()
    events.then(flood)
    reader, writer = await open_slowly(edge)

    stalled = await flood.stall()
    other = await caller.get(f"/api/v1/jobs/{JOB_ID}")

    # Most of it lies in the kernel's buffers, which grow up to 4 MiB by themselves.
    assert stalled * 16_000 < 8_000_000
    assert other.status_code == 200
    async with asyncio.timeout(TIMEOUT):
        body = b""
        while body.count(b'"cursor"') <= stalled + 5:
            body += await reader.read(65_536)
    lines = [line for line in body.split(b"\r\n") if line.startswith(b"{") and line.endswith(b"\n")]
    cursors = [json.loads(line)["result"]["cursor"] for line in lines]
    assert cursors == [f"c{number}" for number in range(len(cursors))]
    writer.close()
    await asyncio.wait_for(events.ended.wait(), TIMEOUT)


async def test_the_watch_of_a_reader_that_leaves_without_reading_is_cancelled(
    edge: Edge, events: ScriptedEvents
) -> None:
    flood = Flood()
    events.then(flood)
    _, writer = await open_slowly(edge)
    await flood.stall()

    writer.close()

    await asyncio.wait_for(events.ended.wait(), TIMEOUT)


async def test_a_watch_ends_at_once_when_the_server_stops(
    edge: Edge, events: ScriptedEvents, caller: httpx.AsyncClient
) -> None:
    events.then(a_response("c1"))
    async with caller.stream("GET", WATCH) as response, asyncio.timeout(2):
        lines = response.aiter_lines()
        await read_line(lines)

        stopping = asyncio.create_task(edge.stop())

        error = (await read_line(lines))["error"]
        assert (error["status"], error["details"][0]["reason"]) == ("UNAVAILABLE", "SERVER_DRAINING")
        assert [line async for line in lines] == []
        await stopping
    await asyncio.wait_for(events.ended.wait(), TIMEOUT)


async def test_a_reader_who_takes_nothing_does_not_hold_up_the_stop(
    edge: Edge, events: ScriptedEvents, caplog: pytest.LogCaptureFixture
) -> None:
    flood = Flood()
    events.then(flood)
    _, writer = await open_slowly(edge)
    await flood.stall()

    async with asyncio.timeout(3):
        await edge.stop()

    writer.close()
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_a_watch_that_waits_for_its_first_message_is_refused_when_the_server_stops(
    edge: Edge, events: ScriptedEvents, caller: httpx.AsyncClient
) -> None:
    async with asyncio.TaskGroup() as group, asyncio.timeout(2):
        waiting = group.create_task(caller.get(WATCH))
        await events.opened.wait()
        edge.streams.close()
        early = await waiting
        late = await caller.get(WATCH)

    assert [early.status_code, late.status_code] == [503, 503]
    assert late.json() == early.json()
    assert len(events.seen) == 1


async def test_more_streams_than_the_limit_are_refused_until_one_ends(
    channel: grpc.aio.Channel, events: ScriptedEvents
) -> None:
    app = build_app(channel, streams=Streams(limit=1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge") as client:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(client.get(WATCH))
            await events.opened.wait()
            refused = await client.get(WATCH)
            events.then(OVER, OVER)
        third = await client.get(WATCH)

    assert [answer.status_code for answer in (first.result(), refused, third)] == [200, 429, 200]
    assert refused.json()["message"] == "1 streams are open here, which is the limit"
    assert refused.json()["details"][0]["reason"] == "TOO_MANY_STREAMS"
    assert refused.json()["details"][0]["metadata"] == {"limit": "1"}


async def test_the_watch_is_cancelled_when_the_edge_itself_is(
    channel: grpc.aio.Channel, events: ScriptedEvents
) -> None:
    app = build_app(channel)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://edge") as client:
        asking = asyncio.create_task(client.get(WATCH))
        await events.opened.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    await asyncio.wait_for(events.ended.wait(), TIMEOUT)


async def test_a_message_that_can_not_be_read_ends_the_stream_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield b""
        yield b"\xff"

    class Handlers(grpc.GenericRpcHandler):
        def service(self, _details: Any) -> grpc.RpcMethodHandler[bytes, bytes]:
            return grpc.unary_stream_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    address = f"unix:{tmp_path / 'broken.sock'}"
    server.add_insecure_port(address)
    await server.start()
    async with open_channel(address) as channel:
        transport = httpx.ASGITransport(app=build_app(channel))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            with caplog.at_level(logging.ERROR, logger="gosynq_server"):
                response = await client.get(WATCH, headers={"x-request-id": "r-1"})
    await server.stop(None)

    assert json.loads(response.text.splitlines()[-1])["error"]["message"] == "internal error, request r-1"
    told = [record.__dict__ for record in caplog.records if record.name.startswith("gosynq_server")]
    assert [(one["message"], one["request_id"]) for one in told] == [("stream failed", "r-1")]
