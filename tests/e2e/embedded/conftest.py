"""Servers of a test's own, and ways to watch processes end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gosynq_server.embedded import EmbeddedPostgres

OWNER = Path(__file__).with_name("owner.py")
PATIENCE = 10.0

MakeServer: TypeAlias = Callable[..., EmbeddedPostgres]
Owner: TypeAlias = tuple["subprocess.Popen[str]", str, int]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's account can enter."""
    path = Path(tempfile.mkdtemp(prefix="gosynq-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def make_server(folder: Path) -> AsyncIterator[MakeServer]:
    """Give a maker of servers in the folder, all of which are stopped in the end."""
    async with contextlib.AsyncExitStack() as stack:

        def make(data_dir: Path = folder / "embedded", **options: Any) -> EmbeddedPostgres:
            server = EmbeddedPostgres(data_dir=data_dir, **{"durable": False, **options})
            stack.push_async_callback(server.stop)
            return server

        yield make


@pytest.fixture
def fresh_server(make_server: MakeServer) -> EmbeddedPostgres:
    """Give a server that was never started."""
    return make_server()


@pytest.fixture(scope="session")
def initialized(run_apart: Callable[[Any], Any], reachable_folder: Path) -> Path:
    """Give the data directory of a server that was started and stopped, to be copied: it saves every test a second."""
    server = EmbeddedPostgres(data_dir=reachable_folder / "initialized", durable=False)
    run_apart(server.start())
    run_apart(server.stop())
    return reachable_folder / "initialized"


@pytest.fixture
def used_data_dir(initialized: Path, folder: Path) -> Path:
    """Give a data directory of a server that was started and stopped before."""
    subprocess.run(["cp", "-pR", initialized, folder / "embedded"], check=True)
    return folder / "embedded"


@pytest.fixture
def server(make_server: MakeServer, used_data_dir: Path) -> EmbeddedPostgres:
    """Give a server that was started and stopped before."""
    return make_server(used_data_dir)


@pytest.fixture
def own(used_data_dir: Path, until_ended: Callable[[int], None]) -> Iterator[Callable[[], Owner]]:
    """Give a starter of processes that own a server in the folder; it returns process, address and server's pid."""
    with contextlib.ExitStack() as stack:

        def start() -> Owner:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, OWNER, used_data_dir],
                    stdout=subprocess.PIPE,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                    text=True,
                )
            )
            assert process.stdout is not None
            url, pid = process.stdout.readline().split()
            stack.callback(until_ended, int(pid))
            stack.callback(process.kill)
            return process, url, int(pid)

        yield start


@pytest.fixture
def until_ended() -> Callable[[int], None]:
    """Give a function that waits for the end of a process that need not be a child of ours."""

    def wait(pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            assert select.select([descriptor], [], [], PATIENCE)[0], f"the process {pid} is still there"
        finally:
            os.close(descriptor)

    return wait


@pytest.fixture
def logged() -> Iterator[Callable[[str], asyncio.Event]]:
    """Give a function whose event is set when the supervisor logs a message."""
    logger = logging.getLogger("gosynq_server.embedded.supervisor")
    with contextlib.ExitStack() as stack:

        def listen(message: str) -> asyncio.Event:
            handler = _Listener(message)
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
            return handler.heard

        yield listen


class _Listener(logging.Handler):
    def __init__(self, message: str) -> None:
        super().__init__()
        self.heard = asyncio.Event()
        self._message = message

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self._message:
            self.heard.set()
