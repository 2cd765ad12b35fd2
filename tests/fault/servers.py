"""Servers and workers in processes of their own: started, awaited, killed, frozen and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HANDLERS = "tests.fault.handlers"
PATIENCE = 60.0

_STOP_PATIENCE = 25.0

_ANY_PORTS = tuple(flag for name in ("grpc", "http", "metrics", "health") for flag in (f"--{name}-port", "0"))
_WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended, and what it said on standard error."""

    status: int
    log: str


class ServerProcess:
    """A gosynq process. Its standard error goes to a file; a ready one tells its addresses on standard output."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self.addresses: dict[str, str] = {}

    @classmethod
    async def spawn(cls, *arguments: str, log: Path, environment: dict[str, str]) -> ServerProcess:
        """Start `gosynq ARGUMENTS` on free ports where they name none, and return at once."""
        ports = () if arguments[0] == _WORKER else _ANY_PORTS  # a worker takes free ones by itself
        command = (sys.executable, "-m", "gosynq_server", arguments[0], *ports, *arguments[1:], "--json")
        return await cls.execute(*command, log=log, environment=environment)

    @classmethod
    async def execute(cls, *command: str, log: Path, environment: dict[str, str]) -> ServerProcess:
        """Start any program that is ended as ours are, and return at once."""
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
                cwd=ROOT,
                env={**_surroundings(), **environment, "PYTHONFAULTHANDLER": "1"},
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def log(self) -> str:
        """Return all that was logged so far, by the processes before it too."""
        return self._log.read_text()

    async def ready(self) -> ServerProcess:
        """Wait until it serves."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, f"the server ended before it served:\n{self.log()}"
        self.addresses = json.loads(line)
        return self

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> Ended:
        """Wait for its end; one that does not come shows in the log where it hangs."""
        try:
            async with asyncio.timeout(_STOP_PATIENCE):
                # Reads what is left, so that the pipe closes.
                await self._process.communicate()
        except TimeoutError:
            self._process.send_signal(signal.SIGABRT)
            await self._process.wait()
            raise AssertionError(f"it did not stop:\n{self.log()}") from None
        assert self._process.returncode is not None
        return Ended(status=self._process.returncode, log=self.log())

    async def kill(self) -> None:
        """Kill it and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self.ended()


async def together(parts: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Start, or stop, many at once."""
    async with asyncio.TaskGroup() as tasks:
        for part in parts:
            tasks.create_task(part)


def free_port() -> int:
    """Pick a free port below those that the system gives to clients: a killed server's port stays free for the next."""
    while True:
        port = random.randint(15_000, 32_000)  # noqa: S311 - any will do
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _surroundings() -> dict[str, str]:
    """Return the environment without settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GOSYNQ_")}
