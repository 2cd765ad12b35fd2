"""gosynq watch as a program of its own, against a scripted server: what it prints, what it outlasts, how it ends."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from tests.contract.client.scripted import Script, new_server
from tests.contract.client.watching import DRAINING, jobs, reason, says, starts, stays, told
from tests.e2e.cli.watching import watching

PAGE = 4096
MANY = [str(number) for number in range(1000)]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def target(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/socket"


@pytest.fixture
async def server(script: Script, target: str) -> AsyncIterator[grpc.aio.Server]:
    server = await serve(script, target)
    yield server
    await server.stop(None)


async def serve(script: Script, target: str) -> grpc.aio.Server:
    server = new_server(script)
    server.add_insecure_port(target)
    await server.start()
    return server


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_signal_ends_it_and_it_tells_where_it_goes_on(
    script: Script, server: grpc.aio.Server, target: str, number: signal.Signals, status: int
) -> None:
    script.watches.append(stays(told("c1", "a")))

    async with watching(target) as process:
        assert "1970-01-01 00:00:00.000" in await process.line()
        assert await process.end(number) == (status, "gosynq: ended: --cursor c1 goes on from here\n")


async def test_a_server_that_is_restarted_only_interrupts_it(script: Script, target: str) -> None:
    script.watches += stays(told("c1", "a")), stays(told("c1", "a"), told("c2", "b"))
    server = await serve(script, target)

    async with watching(target, "--json") as process:
        first = await process.document()
        await server.stop(None)
        interrupted = json.loads(await process.error_line())
        server = await serve(script, target)
        second = await process.document()
        status, error = await process.end(signal.SIGTERM)
    await server.stop(None)

    assert [(line["event"]["event_id"], line["cursor"]) for line in (first, second)] == [("a", "c1"), ("b", "c2")]
    assert interrupted["watch"] == "interrupted"
    assert [json.loads(line)["watch"] for line in error.splitlines()][-2:] == ["resumed", "ended"]
    assert status == 143
    assert starts(script) == ["", "c1"]


async def test_a_watch_of_jobs_ends_well_once_they_are_over(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(says(told("c1", "a")))
    job_id = "018f0000-0000-7000-8000-000000000000"

    async with watching(target, "--job", job_id, "--stop-when-terminal", "--cursor", "c0") as process:
        assert await process.end() == (0, "")

    assert starts(script) == ["c0"]


async def test_a_snapshot_comes_before_the_events(script: Script, server: grpc.aio.Server, target: str) -> None:
    script.watches.append(stays(jobs("job-1", cursor="c1", snapshot_complete=True), told("c2", "a")))

    async with watching(target, "--snapshot", "--json") as process:
        lines = [await process.document() for _ in range(4)]

    assert [next(iter(line)) for line in lines] == ["snapshot", "job", "snapshot", "event"]
    assert [line["cursor"] for line in lines] == [None, None, "c1", "c2"]


async def test_a_cursor_that_has_expired_is_told_with_status_1(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(says(reason(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED", oldest_cursor="c5")))

    async with watching(target, "--cursor", "c0", "--json") as process:
        status, error = await process.end()

    assert status == 1
    assert json.loads(error)["error"]["reason"] == "CURSOR_EXPIRED"
    assert json.loads(error)["error"]["details"] == {"oldest_cursor": "c5"}


async def test_a_server_that_drains_at_the_start_is_told_with_status_1(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(says(DRAINING))

    async with watching(target) as process:
        assert await process.end() == (1, "gosynq: SERVER_DRAINING\n")


async def test_a_reader_who_leaves_ends_it_though_nothing_happens(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(stays(told("c1", "a")))
    reading, writing = os.pipe()

    async with watching(target, out=writing) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as reader:
            assert await asyncio.to_thread(reader.readline)
        assert await process.end() == (1, "")


async def test_a_reader_who_takes_nothing_does_not_keep_it_from_ending(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(stays(told("c1", *MANY)))
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2 * PAGE)

    async with watching(target, "--json", out=writing) as process:
        os.close(writing)
        while held_by(reading) < PAGE:  # noqa: ASYNC110 - nothing tells that a pipe is full
            await asyncio.sleep(0.01)
        assert (await process.end(signal.SIGTERM))[0] == 143
    os.close(reading)


def held_by(pipe: int) -> int:
    """Count the bytes that wait in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return count


async def test_a_terminal_shows_a_table_and_is_left_in_order(
    script: Script, server: grpc.aio.Server, target: str
) -> None:
    script.watches.append(stays(told("c1", "a", "b")))
    terminal, shown = pty.openpty()
    fcntl.ioctl(shown, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 150, 0, 0))

    async with watching(target, out=shown) as process:
        os.close(shown)
        drawn = b""
        while b"2 events" not in drawn:
            drawn += await asyncio.to_thread(os.read, terminal, 65536)
        status, error = await process.end(signal.SIGINT)
        drawn += await asyncio.to_thread(os.read, terminal, 65536)
    os.close(terminal)

    assert b"DETAIL" in drawn
    assert drawn.rindex(b"\x1b[?25h") > drawn.rindex(b"\x1b[?25l")
    assert (status, error) == (130, "gosynq: ended: --cursor c1 goes on from here\n")
