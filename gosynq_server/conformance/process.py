"""The worker under examination, as a process."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import IO, TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    from gosynq_server.conformance.changes import Changes

_LEAVE_SECONDS = 2.0
_LAST_BYTES = 4096


class WorkerNotStarted(GosynqError):
    """The worker's command {command} cannot be started ({problem})."""


class WorkerProcess:
    """A started worker, in a process group of its own. Its end is told as a change."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def last_words(self) -> str:
        """The last line that it wrote."""
        with self._log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - _LAST_BYTES, 0))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def terminate(self) -> None:
        """Ask it to stop, as a supervisor does: the command itself gets SIGTERM."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have it, and what it started, stand still for the block."""
        self._send_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._send_all(signal.SIGCONT)

    async def watch(self, changes: Changes) -> None:
        """Tell of its end."""
        await self._process.wait()
        changes.ring()

    async def remove(self) -> None:
        """Have it gone, and what it started."""
        self.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._process.wait()
        self._send_all(signal.SIGKILL)
        await self._process.wait()

    def _send_all(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def worker_process(
    command: Sequence[str], environment: Mapping[str, str], log: Path, changes: Changes
) -> AsyncIterator[WorkerProcess]:
    """Run a worker for the block, what it writes going to the end of a file. Raises WorkerNotStarted."""
    with log.open("ab") as output:
        process = WorkerProcess(await _start(command, environment, output), log)
    watching = asyncio.create_task(process.watch(changes))
    try:
        yield process
    finally:
        await process.remove()
        await watching


async def _start(
    command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerNotStarted(command=command[0], problem=error.strerror or str(error)) from error
