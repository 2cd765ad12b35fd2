"""gosynq up and gosynq serve: run a server until it is told to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gosynq_server.cli.imports import import_from_here
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.threads import leave_threads_behind
from gosynq_server.config import Config, ConfigError, Problem

if TYPE_CHECKING:
    from gosynq_server.readiness import Addresses


@configured(Config)
def up(config: Config, *, json: Json = False) -> None:
    """Run a server and a worker pool; without a database URL on an embedded PostgreSQL."""
    _run(config, json=json)


@configured(Config, without=frozenset({"data_dir"}))
def serve(config: Config, *, json: Json = False) -> None:
    """Run a server and a worker pool on a database of yours."""
    if config.database_url is None:
        problem = Problem(
            name="database_url",
            description="serve needs one, by --database-url or GOSYNQ_DATABASE_URL; gosynq up brings its own database",
        )
        raise ConfigError(problem)
    _run(config, json=json)


def _run(config: Config, *, json: bool) -> None:
    import uvloop  # noqa: PLC0415 - --help shall not wait for the server

    from gosynq_server.app import serve as run_server  # noqa: PLC0415 - as above
    from gosynq_server.telemetry import logs  # noqa: PLC0415 - as above

    logs.configure(level=config.log_level, form="json" if json else config.log_format)
    import_from_here()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_server(config, on_ready=_tell_json if json else _tell))
    leave_threads_behind()


def _tell(addresses: Addresses) -> None:
    print_line(f"gRPC on {addresses.grpc}, REST on {addresses.http}, metrics on {addresses.metrics}; Ctrl-C stops it")


def _tell_json(addresses: Addresses) -> None:
    print_json(addresses)
