"""gosynq demo: a server, sample handlers and a crowd of jobs, to see it work."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli.imports import import_from_here
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, console, print_json
from gosynq_server.config import Config

if TYPE_CHECKING:
    from gosynq_server.demo.summary import Summary


@configured(Config)
def demo(
    config: Config,
    *,
    jobs: Annotated[int, typer.Option(min=1, max=10_000, help="How many jobs.")] = 500,
    once: Annotated[bool, typer.Option("--once", help="Stop after the summary; exit with 1 on any surprise.")] = False,
    json: Json = False,
) -> None:
    """Run a server with sample handlers and a crowd of jobs; show figures, and go on serving."""
    from gosynq_server.demo.run import Demonstration, demonstrate  # noqa: PLC0415 - --help shall not wait for it

    def report(summary: Summary) -> None:
        if json:
            print_json(summary)

    import_from_here()
    shown = Demonstration(jobs=jobs, once=once, console=console(to_error=json), report=report)
    if not asyncio.run(demonstrate(config, shown)) and once:
        raise typer.Exit(1)
