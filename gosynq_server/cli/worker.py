"""gosynq worker: run jobs in a process of its own until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gosynq_server.cli.connection import client_options, reaching
from gosynq_server.cli.imports import import_from_here
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.threads import leave_threads_behind
from gosynq_server.config import WorkerConfig

if TYPE_CHECKING:
    from gosynq_server.readiness import WorkerAddresses


@configured(WorkerConfig, without=frozenset({"call_timeout"}))
def worker(config: WorkerConfig, *, json: Json = False) -> None:
    """Run job handlers in a process of its own, on jobs of a server's queues."""
    import uvloop  # noqa: PLC0415 - --help shall not wait for it

    from gosynq_server.app.worker import work  # noqa: PLC0415 - as above
    from gosynq_server.telemetry import logs  # noqa: PLC0415 - as above

    logs.configure(level=config.log_level, form="json" if json else config.log_format)
    import_from_here()
    with reaching(config.target), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(config, client_options(config), on_ready=_tell_json if json else _tell))
    leave_threads_behind()


def _tell(addresses: WorkerAddresses) -> None:
    health, metrics = addresses.health, addresses.metrics
    print_line(f"{addresses.worker_id} works; health on {health}, metrics on {metrics}; Ctrl-C stops it")


def _tell_json(addresses: WorkerAddresses) -> None:
    print_json(addresses)
