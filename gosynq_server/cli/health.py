"""gosynq health: ask a server whether it serves, for people and container engines."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gosynq_server.cli.connection import client_options, reaching
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.config import ClientConfig


@configured(ClientConfig)
def health(
    config: ClientConfig,
    service: Annotated[
        str, typer.Argument(help="liveness, readiness or a gRPC service; the whole server by default.")
    ] = "",
    *,
    json: Json = False,
) -> None:
    """Ask for a server's health (grpc.health.v1); exit with 0 if it serves, with 1 if not or if it can't be reached."""
    from gosynq_client.health import check_health  # noqa: PLC0415 - --help shall not wait for gRPC

    with reaching(config.target):
        state = asyncio.run(check_health(config.target, service, client_options(config)))
    if json:
        print_json({"target": config.target, "service": service, "status": state})
    else:
        print_line(state)
    if state != "serving":
        raise typer.Exit(1)
