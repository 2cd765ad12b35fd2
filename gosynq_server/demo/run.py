"""The demonstration from beginning to end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from gosynq_client import Client
from gosynq_server.demo.drive import enqueue_all, run_alone, watch_all
from gosynq_server.demo.files import sample_files
from gosynq_server.demo.plan import plan_jobs
from gosynq_server.demo.ports import with_free_ports
from gosynq_server.demo.screen import Screen, print_next_steps, print_summary
from gosynq_server.demo.server import RunningServer, running_server
from gosynq_server.demo.summary import Summary, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from gosynq_server.config import Config

_HANDLERS = "gosynq_server.demo.handlers"
_PATIENCE = timedelta(minutes=2)
_PATIENCE_PER_JOB = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What is to be shown: how many jobs, whether to stop then, where to show it, and who gets the summary as well."""

    jobs: int
    once: bool
    console: Console
    report: Callable[[Summary], None]


async def demonstrate(config: Config, demonstration: Demonstration) -> bool:
    """Run the demonstration, and go on serving unless it is to stop; return whether every job ended as planned."""
    with _folder() as folder:
        config = replace(
            with_free_ports(config),
            data_dir=config.data_dir or folder / "data",
            handlers=(*config.handlers, _HANDLERS) if _HANDLERS not in config.handlers else config.handlers,
            ready_file=config.ready_file or folder / "ready.json",
        )
        demonstration.console.print("Starting a server" + ("" if config.database_url else " and its database") + " ...")
        async with running_server(config, folder / "server.log") as server:
            demonstration.console.print(f"gRPC on {server.grpc}, REST on {server.http}, metrics on {server.metrics}")
            summary = await _show(server, demonstration)
            print_summary(demonstration.console, summary)
            demonstration.report(summary)
            if not demonstration.once:
                print_next_steps(demonstration.console, server)
                await server.ended()
    return not summary.surprises


async def _show(server: RunningServer, demonstration: Demonstration) -> Summary:
    run, files = uuid4().hex[:8], sample_files()
    jobs = plan_jobs(demonstration.jobs, files, run=run, now=datetime.now(UTC))
    async with Client(server.grpc) as client:
        with Screen(demonstration.console) as screen:
            planned = await enqueue_all(client, jobs)
            patience = _PATIENCE + _PATIENCE_PER_JOB * len(jobs)
            ended = await watch_all(client, run, patience=patience, show=screen.show)
        return summarize(planned, ended, await run_alone(client, files[0]))


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder for the block that PostgreSQL's own account can enter, which it runs under where root starts it."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-demo-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
