"""The processes of a measurement: the server under test, one that does nothing, the load and the watchers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.watchers import Asked

SERVER = "gosynq_server"
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_LOAD_SECONDS = 600.0


@contextmanager
def data_dir() -> Iterator[Path]:
    """Give a folder for an embedded database that its own user can reach."""
    with tempfile.TemporaryDirectory(prefix="gosynq-bench-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def server(folder: Path, *flags: str, module: str = SERVER) -> Iterator[dict[str, Any]]:
    """Run gosynq up, or what a module makes of it, over a folder; give its addresses and process id."""
    ready = folder / "ready.json"
    ports = [flag for name in ("grpc", "http", "metrics", "health") for flag in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", module, "up", "--data-dir", str(folder / "database")]
    with process([*command, *ports, "--ready-file", str(ready), "--log-level", "warning", *flags]) as started:
        yield await_file(ready, started)


@contextmanager
def worker(folder: Path, target: str, queue: str, *flags: str) -> Iterator[dict[str, Any]]:
    """Run gosynq worker with the bench's handlers; give its addresses and process id."""
    ready = folder / "worker.json"
    ports = [flag for name in ("metrics", "health") for flag in (f"--{name}-port", "0")]
    told = ["--target", target, "--queue", queue, "--handlers", "bench.handlers", "--log-level", "warning"]
    command = [sys.executable, "-m", SERVER, "worker", *told, *ports, "--ready-file", str(ready), *flags]
    with process(command) as started:
        yield await_file(ready, started)


@contextmanager
def nothing_server(folder: Path) -> Iterator[dict[str, Any]]:
    """Run a gRPC server whose EnqueueJob does nothing; give its address and process id."""
    ready = folder / "nothing.json"
    with process([sys.executable, "-m", "bench.nothing", str(ready)]) as started:
        yield await_file(ready, started)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run the embedded PostgreSQL alone; give its address."""
    ready = folder / "postgres.json"
    with process([sys.executable, "-m", "bench.postgres", str(folder), str(ready)]) as started:
        yield await_file(ready, started)["dsn"]


def load(target: str, figure: str, *arguments: object) -> dict[str, Any]:
    """Run a load in a process of its own and return what it measured."""
    return run("bench.load", target, figure, *arguments)


def run(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module in a process of its own and return what it measured."""
    return run_command([sys.executable, "-m", module, *map(str, arguments)])


def run_command(command: list[str]) -> dict[str, Any]:
    """Run a command and return what it measured; what it complains of goes where the bench's own does."""
    done = subprocess.run(  # noqa: S603 - the command is our own
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_LOAD_SECONDS
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


@contextmanager
def watchers(folder: Path, target: str, asked: Asked) -> Iterator[Callable[[], dict[str, Any]]]:
    """Run watchers in a process of their own, all of which have begun; give what waits for what they measured."""
    ready = folder / "watching.json"
    command = [sys.executable, "-m", "bench.watchers", target, str(ready), json.dumps(asdict(asked))]
    with process(command, stdout=subprocess.PIPE) as started:
        await_file(ready, started)
        yield lambda: json.loads(started.communicate(timeout=_LOAD_SECONDS)[0])


@contextmanager
def process(command: list[str], *, stdout: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command until the block ends."""
    started = subprocess.Popen(command, stdout=stdout)  # noqa: S603 - the command is our own
    try:
        yield started
    finally:
        started.terminate()
        started.wait(_STOP_SECONDS)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process, all its threads, has taken so far; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = fields[11], fields[12]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def family_seconds(pid: int) -> float:
    """Return the same for a process, those it has started and those they have, the ended ones too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        children = [child for task in tasks for child in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(family_seconds(int(child)) for child in children)


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds; Linux only."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def await_file(path: Path, writer: subprocess.Popen[bytes], *, seconds: float = _START_SECONDS) -> dict[str, Any]:
    """Wait until a process has written a file, and return what it says."""
    end = time.monotonic() + seconds
    while not path.exists():
        if writer.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{writer.args!r} did not write {path.name}: exit status {writer.poll()}")
        time.sleep(0.02)
    told: dict[str, Any] = json.loads(path.read_text())
    return told
