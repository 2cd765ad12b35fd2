"""A server that is told to stop, and how the watches end that are open then, read or not."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import httpx
import pytest

from gosynq.v1 import event_service_pb2, event_service_pb2_grpc
from gosynq_client import Client, JobRequest
from gosynq_client.statuses import error_of_call
from tests.conftest import Run
from tests.e2e.watch.servers import servers_over
from tests.fault.servers import Ended, ServerProcess

NDJSON, SSE = "application/x-ndjson", "text/event-stream"
AT_ONCE = 2.0
"""Seconds; on a machine that has nothing else to do it takes some hundredths."""

pytestmark = pytest.mark.timeout(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How a server stopped: its end, after how long, and each watch's end with what it was told."""

    process: Ended
    seconds: float
    watches: dict[str, tuple[float, str]]


@pytest.fixture(scope="module")
def stop(run_apart: Run, folder: Path) -> Stop:
    """Stop a server with six open watches: over gRPC and both forms of REST, each read by one and not by another."""
    result: Stop = run_apart(play(folder))
    return result


async def play(folder: Path) -> Stop:
    async with servers_over(folder / "database") as start:
        server = await start()
        await add_more_than_buffers_hold(server)
        async with unread_over_rest(server, NDJSON), unread_over_rest(server, SSE), unread_over_grpc(server):
            await until_nothing_is_taken(server)
            return await stopped_under_readers(server)


async def stopped_under_readers(server: ServerProcess) -> Stop:
    forms = {"gRPC": over_grpc, NDJSON: over_ndjson, SSE: over_sse}
    opened = {form: asyncio.Event() for form in forms}
    async with asyncio.TaskGroup() as group:
        reading = {form: group.create_task(read(server, opened[form])) for form, read in forms.items()}
        for event in opened.values():
            await event.wait()
        begun = time.monotonic()
        server.signal(signal.SIGTERM)
        process = await server.ended()
        seconds = time.monotonic() - begun
    ends = {form: task.result() for form, task in reading.items()}
    watches = {form: (ended - begun, told) for form, (ended, told) in ends.items()}
    return Stop(process=process, seconds=seconds, watches=watches)


async def add_more_than_buffers_hold(server: ServerProcess) -> None:
    async with Client(server.addresses["grpc"]) as client:
        request = JobRequest("large", {"text": "x" * 16_000}, delay=timedelta(hours=1))
        for _ in range(8):
            await client.enqueue_many([request] * 100)


async def over_grpc(server: ServerProcess, opened: asyncio.Event) -> tuple[float, str]:
    """Read a watch to its end, and give when that came and what it told."""
    async with grpc.aio.insecure_channel(server.addresses["grpc"]) as channel:
        watch = event_service_pb2_grpc.EventServiceStub(channel).WatchEvents(event_service_pb2.WatchEventsRequest())
        try:
            async for _ in watch:
                opened.set()
        except grpc.aio.AioRpcError as error:
            return time.monotonic(), error_of_call(error).reason
    return time.monotonic(), "no error"


async def over_ndjson(server: ServerProcess, opened: asyncio.Event) -> tuple[float, str]:
    last = await last_line_over_rest(server, NDJSON, opened)
    return time.monotonic(), json.loads(last)["error"]["details"][0]["reason"]


async def over_sse(server: ServerProcess, opened: asyncio.Event) -> tuple[float, str]:
    last = await last_line_over_rest(server, SSE, opened)
    return time.monotonic(), json.loads(last.removeprefix("data: "))["details"][0]["reason"]


async def last_line_over_rest(server: ServerProcess, accept: str, opened: asyncio.Event) -> str:
    last = ""
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("GET", watch_url(server), headers={"accept": accept}) as response,
    ):
        async for line in response.aiter_lines():
            last = line or last
            opened.set()
    return last


@asynccontextmanager
async def unread_over_grpc(server: ServerProcess) -> AsyncIterator[None]:
    async with grpc.aio.insecure_channel(server.addresses["grpc"], options=[("grpc.http2.bdp_probe", 0)]) as channel:
        request = event_service_pb2.WatchEventsRequest(from_oldest=True, include_payload=True)
        watch = event_service_pb2_grpc.EventServiceStub(channel).WatchEvents(request)
        await watch.read()
        yield
        watch.cancel()


@asynccontextmanager
async def unread_over_rest(server: ServerProcess, accept: str) -> AsyncIterator[None]:
    url = httpx.URL(watch_url(server), params={"from_oldest": "true", "include_payload": "true"})
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)  # noqa: FBT003 - the library's signature
    with narrow:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(narrow, (url.host, url.port))
        await loop.sock_sendall(
            narrow, f"GET {url.raw_path.decode()} HTTP/1.1\r\nHost: {url.host}\r\nAccept: {accept}\r\n\r\n".encode()
        )
        yield


async def until_nothing_is_taken(server: ServerProcess) -> None:
    """Return when watches have taken some events, and no more for a while."""
    sent = [-1.0, 0.0]
    async with httpx.AsyncClient() as client:
        while not sent[-1] or sent[-1] != sent[-2]:
            await asyncio.sleep(0.3)  # nothing tells that a peer takes nothing
            page = (await client.get(f"http://{server.addresses['metrics']}/metrics")).text
            sent.append(float(re.findall(r"^gosynq_events_sent_total (\S+)", page, re.MULTILINE)[0]))


def watch_url(server: ServerProcess) -> str:
    return f"http://{server.addresses['http']}/api/v1/events:watch"


@pytest.mark.parametrize("form", ["gRPC", NDJSON, SSE])
def test_an_open_watch_is_told_at_once_that_the_server_drains(stop: Stop, form: str) -> None:
    seconds, reason = stop.watches[form]

    assert reason == "SERVER_DRAINING"
    assert seconds < AT_ONCE


def test_watches_that_nobody_reads_do_not_hold_up_the_stop(stop: Stop) -> None:
    # They are cut after half a second; without that the edge waits for 5 s, and gRPC for the grace of 25 s.
    assert stop.seconds < 2 * AT_ONCE


def test_the_server_ends_well(stop: Stop) -> None:
    levels = {json.loads(line)["level"] for line in stop.process.log.splitlines()}

    assert stop.process.status == 0
    assert "error" not in levels
