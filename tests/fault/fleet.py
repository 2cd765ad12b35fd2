"""Workers of several languages in processes of their own, each at its place however often it is killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.clients.examples import CLIENTS, command_of
from tests.fault.conftest import Chronicle, Execute
from tests.fault.servers import HANDLERS, ServerProcess

RECORDING: Final = Path(__file__).with_name("workers")
"""The handlers in other languages, which write to the journal as ours do."""

LANGUAGES: Final = ("python", "go", "typescript")

_PYTHON = ("--handlers", HANDLERS, "--queue", "default", "--concurrency", "20", "--grace", "1s")


@dataclass(slots=True, kw_only=True)
class Worker:
    """One of them; every process that it was is among its pids."""

    language: str
    name: str
    command: Sequence[str]
    target: str
    execute: Execute
    chronicle: Chronicle
    pids: list[int] = field(default_factory=list)
    is_frozen: bool = False
    _process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "it was not started"
        return self._process

    async def start(self) -> None:
        """Start it, and do not wait for it."""
        self._process = await self.execute(*self.command, log=self.name, GOSYNQ_TARGET=self.target)
        self.pids.append(self._process.pid)

    async def kill(self) -> None:
        """Kill it, and start it again."""
        await self.process.kill()
        self.chronicle.journal.died(self.process.pid)
        await self.start()

    def freeze(self) -> None:
        self.is_frozen = True
        self.process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.signal(signal.SIGCONT)
        self.is_frozen = False

    async def stop(self) -> None:
        """Stop it in order."""
        self.process.signal(signal.SIGTERM)
        ended = await self.process.ended()
        assert ended.status == 0, f"{self.name}: {ended.log}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Makes workers; one in a language whose client is not built skips the test."""

    folder: Path
    execute: Execute
    chronicle: Chronicle

    def worker(self, name: str, language: str, addresses: Sequence[str], number: int = 0) -> Worker:
        """Make one for all servers; one in Go, whose gRPC takes no list, for one of them in turn."""
        listed = f"ipv4:{','.join(addresses)}"
        return Worker(
            language=language,
            name=name,
            command=self._command(language, listed),
            target=addresses[number % len(addresses)] if language == "go" else listed,
            execute=self.execute,
            chronicle=self.chronicle,
        )

    def workers(self, count: int, addresses: Sequence[str]) -> list[Worker]:
        """Make workers in all languages by turns."""
        turns = [divmod(number, len(LANGUAGES)) for number in range(count)]
        return [
            self.worker(f"{LANGUAGES[language]}-{turn}", LANGUAGES[language], addresses, turn)
            for turn, language in turns
        ]

    def _command(self, language: str, target: str) -> tuple[str, ...]:
        if language == "python":
            return sys.executable, "-m", "gosynq_server", "worker", "--target", target, *_PYTHON
        if language == "go":
            return (str(self._go_worker()),)
        node, worker = command_of(language, "worker")
        return node, "--import", str(RECORDING / "recording.mjs"), worker

    def _go_worker(self) -> Path:
        """Build the client's worker once more, with a file more in its package."""
        command_of("go", "worker")
        worker, overlay = self.folder / "worker", self.folder / "overlay.json"
        if not worker.exists():
            overlay.write_text(json.dumps({"Replace": {"worker/recording.go": str(RECORDING / "recording.go")}}))
            subprocess.run(
                ["go", "build", "-buildvcs=false", "-overlay", overlay, "-o", worker, "./worker"],
                cwd=CLIENTS / "go",
                check=True,
            )
        return worker
