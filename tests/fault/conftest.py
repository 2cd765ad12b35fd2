"""Folders, journals and servers for faults; whatever a test leaves running is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import pytest

from gosynq_server.embedded import EmbeddedPostgres
from tests.fault.history import BELL, JOURNAL, Edge, History, Journal, read_history
from tests.fault.servers import PATIENCE, ServerProcess

_LOG_TAIL = 30000


class Launch(Protocol):
    """Starts `gosynq ARGUMENTS`, and forgets nothing of it until the test's end."""

    def __call__(self, *arguments: str, log: str = "server") -> Awaitable[ServerProcess]: ...


class Execute(Protocol):
    """Starts a program that is not ours, and forgets nothing of it until the test's end."""

    def __call__(self, *command: str, log: str, **variables: str) -> Awaitable[ServerProcess]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """The two journals of a test: its own, and that of the handlers."""

    folder: Path
    journal: Journal

    @property
    def handlers(self) -> Path:
        return self.folder / "handlers.jsonl"

    def read(self) -> History:
        return read_history(self.folder / "client.jsonl", self.handlers)


@dataclass(slots=True)
class Bell(asyncio.DatagramProtocol):
    """Hears of handlers as they start and end."""

    heard: list[tuple[Edge, str, int, int]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        edge, job_id, lease_seq, pid = data.decode().split()
        self.heard.append((Edge(edge), job_id, int(lease_seq), int(pid)))
        self._changed.set()

    def started(self, *, by: int) -> set[str]:
        """Return the jobs that a process has begun."""
        return {job_id for edge, job_id, _, pid in self.heard if edge is Edge.START and pid == by}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, which is looked at whenever a handler is heard."""
        async with asyncio.timeout(PATIENCE):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def random(request: pytest.FixtureRequest) -> Random:
    """Give chance with a seed that a failing test shows; FAULT_SEED brings it back."""
    seed = os.environ.get("FAULT_SEED") or str(Random().randrange(10**9))  # noqa: S311 - no secret
    sys.stdout.write(f"FAULT_SEED={seed}\n")
    return Random(seed)  # noqa: S311 - no secret


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's account can enter."""
    path = Path(tempfile.mkdtemp(prefix="gosynq-fault-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def initialized(run_apart: Callable[[Any], Any], reachable_folder: Path) -> Path:
    """Give an embedded database's folder to be copied: it saves every test a second."""
    data_dir = reachable_folder / "fault-initialized"
    server = EmbeddedPostgres(data_dir=data_dir, durable=False)
    run_apart(server.start())
    run_apart(server.stop())
    # What a killed process has written the system still has: only a dead machine would lose it.
    with (data_dir / "data" / "postgresql.conf").open("a") as settings:
        settings.write("\nfsync = off\n")
    return data_dir


@pytest.fixture
def data_dir(initialized: Path, folder: Path) -> Path:
    """Give an embedded database of the test's own, which nobody runs."""
    path = folder / "database"
    subprocess.run(["cp", "-pR", initialized, path], check=True)
    return path


@pytest.fixture
def chronicle(folder: Path) -> Iterator[Chronicle]:
    journal = Journal(folder / "client.jsonl")
    yield Chronicle(folder=folder, journal=journal)
    journal.close()


@pytest.fixture
async def bell(folder: Path) -> AsyncIterator[Bell]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(folder / "bell"))
    listener.setblocking(False)  # noqa: FBT003 - the library's signature
    transport, bell = await asyncio.get_running_loop().create_datagram_endpoint(Bell, sock=listener)
    yield bell
    transport.close()


@pytest.fixture
async def launch(folder: Path, chronicle: Chronicle) -> AsyncIterator[Launch]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(*arguments: str, log: str = "server") -> ServerProcess:
            environment = {JOURNAL: str(chronicle.handlers)}
            if (folder / "bell").exists():
                environment[BELL] = str(folder / "bell")
            process = await ServerProcess.spawn(*arguments, log=folder / f"{log}.log", environment=environment)
            stack.push_async_callback(_end, process)
            return process

        yield start
    _show_logs(folder)


@pytest.fixture
async def execute(folder: Path, chronicle: Chronicle) -> AsyncIterator[Execute]:
    async with contextlib.AsyncExitStack() as stack:

        async def start(*command: str, log: str, **variables: str) -> ServerProcess:
            environment = {JOURNAL: str(chronicle.handlers), **variables}
            process = await ServerProcess.execute(*command, log=folder / f"{log}.log", environment=environment)
            stack.push_async_callback(_end, process)
            return process

        yield start


async def _end(process: ServerProcess) -> None:
    if process.running:
        process.signal(signal.SIGCONT)
        await process.kill()


def _show_logs(folder: Path) -> None:
    """Write the servers' logs where pytest shows them if the test fails."""
    for log in sorted(folder.glob("*.log")):
        sys.stdout.write(f"{log.name} ends with:\n{log.read_text()[-_LOG_TAIL:]}\n")
