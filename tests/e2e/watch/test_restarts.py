"""A server that is killed, stopped and started again, and what those have seen of it who watched all the time."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import termios
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gosynq_client import Client, ClientOptions, EventType, JobEvent, JobRequest, Unavailable, Watch
from tests.conftest import Run
from tests.e2e.cli.watching import Watching, watching
from tests.e2e.watch.servers import StartServer, servers_over
from tests.fault.servers import ServerProcess, free_port

JOBS = 20
ENDS = (signal.SIGKILL, signal.SIGTERM)
SECONDS = 100
CREATED, CANCELLED = JOBS * (1 + len(ENDS)), JOBS * len(ENDS)

pytestmark = pytest.mark.timeout(120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """A watch of the client, and two commands, one that prints JSON and one that draws on a terminal."""

    watch: Watch[JobEvent]
    printing: Watching
    drawing: Watching
    terminal: int


@dataclass(slots=True, kw_only=True)
class Seen:
    """What was there to be seen in a queue, and what each of its watchers came to."""

    stored: list[JobEvent] = field(default_factory=list)
    given: list[JobEvent] = field(default_factory=list)
    connections: list[object] = field(default_factory=list)
    lines: list[Any] = field(default_factory=list)
    drawn: bytes = b""
    notices: list[list[str]] = field(default_factory=list)
    ends: list[tuple[int, str]] = field(default_factory=list)

    async def take(self, watchers: Watchers, *, created: int, cancelled: int = 0) -> None:
        """Wait until each of the watchers has seen so many more events."""
        count = len(self.given) + created + cancelled
        async with asyncio.TaskGroup() as group:
            given = group.create_task(taken(watchers.watch, created + cancelled))
            lines = group.create_task(printed(watchers.printing, created))
            drawn = group.create_task(read_until(watchers.terminal, f"{count} events"))
        self.given += given.result()
        self.lines += lines.result()
        self.drawn = drawn.result()


@pytest.fixture(scope="module")
def seen(run_apart: Run, folder: Path) -> Seen:
    """Have jobs made and cancelled in two queues around the ends of a server, while one of the queues is watched."""
    seen = Seen()
    run_apart(play(seen, folder))
    return seen


async def play(seen: Seen, folder: Path) -> None:
    terminal, shown = pty.openpty()
    fcntl.ioctl(shown, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 150, 0, 0))
    port = str(free_port())
    address = f"127.0.0.1:{port}"
    mail = ("--queue", "mail", "--from-oldest")
    async with (
        servers_over(folder / "database", "--grpc-port", port) as start,
        Client(address) as client,
        client.watch(queues=["mail"], from_oldest=True, on_connection=seen.connections.append) as watch,
    ):
        server = await start()
        async with (
            watching(address, *mail, "--type", "created", "--json", seconds=SECONDS) as printing,
            watching(address, *mail, out=shown, seconds=SECONDS) as drawing,
        ):
            os.close(shown)
            watchers = Watchers(watch=watch, printing=printing, drawing=drawing, terminal=terminal)
            await added(client)
            await seen.take(watchers, created=JOBS)
            for end in ENDS:
                server = await restarted(server, end, start, client=client, watchers=watchers, seen=seen)
            seen.ends = [await process.end(signal.SIGTERM) for process in (printing, drawing)]
        seen.stored = [event async for event in client.events(queues=["mail"])]
        server.signal(signal.SIGTERM)
        await server.ended()
    os.close(terminal)


async def restarted(
    server: ServerProcess, end: signal.Signals, start: StartServer, *, client: Client, watchers: Watchers, seen: Seen
) -> ServerProcess:
    async with asyncio.TaskGroup() as group:
        group.create_task(seen.take(watchers, created=JOBS, cancelled=JOBS))
        notices = [group.create_task(until_resumed(process)) for process in (watchers.printing, watchers.drawing)]
        ids = await added(client)
        server.signal(end)
        await server.ended()
        server = await start()
        # The library lets a process's clients wait together for their next try to connect, but for those with a pool.
        options = ClientOptions(channel_options=(("grpc.use_local_subchannel_pool", 1),))
        async with Client(server.addresses["grpc"], options) as other:
            for job_id in ids:
                await other.cancel(job_id)
    seen.notices += [notice.result() for notice in notices]
    return server


async def added(client: Client) -> list[str]:
    """Add jobs to both queues, and return as soon as they are acknowledged."""
    later = timedelta(hours=1)
    requests = [JobRequest("letter", queue=queue, delay=later) for queue in ("mail", "other") for _ in range(JOBS)]
    return [job.id for job in await client.enqueue_many(requests)]


async def taken(watch: Watch[JobEvent], count: int) -> list[JobEvent]:
    return [await anext(watch) for _ in range(count)]


async def printed(process: Watching, count: int) -> list[Any]:
    return [await process.document() for _ in range(count)]


async def read_until(terminal: int, text: str) -> bytes:
    drawn = b""
    while text.encode() not in drawn:
        drawn += await asyncio.to_thread(os.read, terminal, 65536)
    return drawn


async def until_resumed(process: Watching) -> list[str]:
    """Read what a command tells on standard error until it has found a server again."""
    told: list[str] = []
    while not told or "resumed" not in told[-1]:
        told.append(await process.error_line())
        assert told[-1], "it ended"
    return told


def test_the_client_gives_each_event_once_and_in_order(seen: Seen) -> None:
    assert len(seen.stored) == CREATED + CANCELLED
    assert seen.given == seen.stored


def test_the_client_tells_of_each_interruption_and_of_its_end(seen: Seen) -> None:
    assert seen.connections.count(None) == 1 + len(ENDS)
    assert all(told is None or isinstance(told, Unavailable) for told in seen.connections)


def test_the_command_prints_what_passes_its_filters_once_and_in_order(seen: Seen) -> None:
    created = [event.event_id for event in seen.stored if event.type is EventType.CREATED]

    assert [line["event"]["event_id"] for line in seen.lines] == created


def test_the_live_table_counts_what_passes_its_filters_once(seen: Seen) -> None:
    counts = f"{CREATED + CANCELLED} events: {CREATED} created, {CANCELLED} cancelled"

    assert counts.encode() in seen.drawn


def test_the_commands_tell_of_each_interruption_and_of_its_end(seen: Seen) -> None:
    for told in seen.notices[::2]:
        words = [json.loads(line)["watch"] for line in told]
        assert (words[0], words[-1]) == ("interrupted", "resumed")
    for told in seen.notices[1::2]:
        assert told[0].startswith("gosynq: interrupted: ")


def test_the_commands_tell_in_the_end_where_to_go_on(seen: Seen) -> None:
    [(_, printed_last), (_, drawn_last)] = seen.ends

    assert [status for status, _ in seen.ends] == [143, 143]
    assert json.loads(printed_last)["watch"] == "ended"
    assert drawn_last.startswith("gosynq: ended: --cursor ")
