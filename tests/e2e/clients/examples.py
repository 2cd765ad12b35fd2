"""The programs of clients/, each in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.cli.commands import environment

CLIENTS = Path(__file__).parents[3] / "clients"
COMMANDS = {
    "go": ("{clients}/go/bin/{name}",),
    "java": ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", "{clients}/java/target/gosynq-{name}.jar"),
    "rust": ("{clients}/rust/target/debug/{name}",),
    "typescript": ("node", "{clients}/typescript/dist/{name}.js"),
}
_PATIENCE = 30.0


def command_of(language: str, name: str) -> tuple[str, ...]:
    """Give the command that starts a program, or skip the test where it is not built."""
    command = tuple(part.format(clients=CLIENTS, name=name) for part in COMMANDS[language])
    if not Path(command[-1]).exists():
        assert os.environ.get("CI") != "true", f"{command[-1]} is missing"
        pytest.skip(f"not built; make clients-{language} builds it")
    return command


@dataclass(slots=True)
class Program:
    """A program that runs; what it prints is read line by line."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            line = (await self.process.stdout.readline()).decode()
        assert line, "it ended"
        self.lines.append(line.strip())
        return self.lines[-1]

    async def until(self, *words: str) -> None:
        """Read lines until one has all these words; those that were read before count."""
        while not any(set(words) <= set(line.split()) for line in self.lines):
            await self.line()

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status that it ends with."""
        self.process.send_signal(number)
        async with asyncio.timeout(_PATIENCE):
            return await self.process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The programs of one language, for one queue of one server."""

    language: str
    target: str
    queue: str

    @asynccontextmanager
    async def running(self, name: str, *arguments: str, **variables: str) -> AsyncIterator[Program]:
        """Run a program; it is killed in the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            *command_of(self.language, name),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            env=environment(GOSYNQ_TARGET=self.target, GOSYNQ_QUEUE=self.queue, **variables),
        )
        try:
            yield Program(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def produce(self, *arguments: str) -> str:
        """Enqueue a job by the producer and return its id."""
        async with self.running("producer", *arguments) as producer:
            job_id = await producer.line()
            async with asyncio.timeout(_PATIENCE):
                assert await producer.process.wait() == 0
        return job_id
