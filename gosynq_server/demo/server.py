"""The demonstration's server: the real one, in a process of its own, told to stop when its parent is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.domain.errors import GosynqError
from gosynq_server.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    from gosynq_server.config import Config

_logger = logging.getLogger(__name__)

_POLL = 0.05
_STOP_SECONDS = 30.0


class ServerEnded(GosynqError):
    """The server ended with status {status}: {problem}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that serves: its addresses, as in the ready file, and its process."""

    grpc: str
    http: str
    metrics: str
    process: SpawnProcess
    log: Path

    async def ended(self) -> None:
        """Return when the process is gone."""
        await asyncio.to_thread(self.process.join)


@asynccontextmanager
async def running_server(config: Config, log: Path) -> AsyncIterator[RunningServer]:
    """Run a server for the block, its log in a file; config names a ready file. Raises ServerEnded if none starts."""
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(config, log), daemon=True)
    process.start()
    try:
        yield await _ready(config, process, log)
    finally:
        # Its stop has phases of its own, so it is waited for however this block ended.
        process.terminate()
        await asyncio.shield(asyncio.to_thread(process.join, config.grace.total_seconds() + _STOP_SECONDS))
        process.kill()


async def _ready(config: Config, process: SpawnProcess, log: Path) -> RunningServer:
    ready_file = config.ready_file
    if ready_file is None:
        raise ValueError("a server that is waited for needs a ready file")
    while not ready_file.exists():
        if not process.is_alive():
            raise _ended(process, log)
        await asyncio.sleep(_POLL)
    bound = json.loads(ready_file.read_text(encoding="utf-8"))
    return RunningServer(grpc=bound["grpc"], http=bound["http"], metrics=bound["metrics"], process=process, log=log)


def _ended(process: SpawnProcess, log: Path) -> ServerEnded:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return ServerEnded(status=process.exitcode, problem=lines[-1].rstrip(".") if lines else "its log is empty")


def _serve(config: Config, log: Path) -> None:
    import uvloop  # noqa: PLC0415 - only the server's process needs it

    from gosynq_server.app import serve  # noqa: PLC0415 - as above

    threading.Thread(target=_stop_with_parent, daemon=True).start()
    with log.open("a", encoding="utf-8") as stream:
        logs.configure(level=config.log_level, form="text", stream=stream)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(config))
        except Exception as error:  # the process's edge: its log is all that its parent sees of it
            _logger.exception("the server failed")
            stream.write(f"{_cause(error)}\n")
            raise SystemExit(1) from None


def _cause(error: Exception) -> Exception:
    """Take an error out of the groups that it came through."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _stop_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
