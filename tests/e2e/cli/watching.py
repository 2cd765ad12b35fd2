"""gosynq watch as a program of its own, and what it says."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.e2e.cli.commands import GOSYNQ, environment

SECONDS = 15


@asynccontextmanager
async def watching(
    target: str, *arguments: str, out: int = asyncio.subprocess.PIPE, seconds: float = SECONDS
) -> AsyncIterator[Watching]:
    process = await asyncio.create_subprocess_exec(
        *(*GOSYNQ, "watch", "--target", target, *arguments),
        stdout=out,
        stderr=asyncio.subprocess.PIPE,
        env=environment(PYTHONUNBUFFERED="", TERM="xterm"),
    )
    try:
        async with asyncio.timeout(seconds):
            yield Watching(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Watching:
    """A watch that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode()

    async def document(self) -> Any:
        return json.loads(await self.line())

    async def error_line(self) -> str:
        assert self._process.stderr is not None
        return (await self._process.stderr.readline()).decode()

    async def end(self, *signals: signal.Signals) -> tuple[int, str]:
        """Send the signals, wait for its end, and give its status and what it last said on standard error."""
        for number in signals:
            self._process.send_signal(number)
        assert self._process.stderr is not None
        error = await self._process.stderr.read()
        return await self._process.wait(), error.decode()
