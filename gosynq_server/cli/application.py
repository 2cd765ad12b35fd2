"""The gosynq command and its parts."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from gosynq_server.cli import (
    conformance,
    demo,
    dlq,
    doctor,
    enqueue,
    explain,
    health,
    jobs,
    migrate,
    queues,
    schedules,
    server,
    watch,
    worker,
    workers,
)
from gosynq_server.cli.output import print_line

app = typer.Typer(
    name="gosynq",
    help="Background jobs on PostgreSQL, spoken to over gRPC.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(server.up)
app.command()(server.serve)
app.command()(worker.worker)
app.add_typer(migrate.app, name="migrate")
app.command()(enqueue.enqueue)
app.add_typer(jobs.app, name="jobs")
app.command()(explain.explain)
app.add_typer(queues.app, name="queues")
app.add_typer(schedules.app, name="schedules")
app.add_typer(dlq.app, name="dlq")
app.add_typer(workers.app, name="workers")
app.command()(watch.watch)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(health.health)
app.command()(conformance.conformance)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        print_line(f"gosynq {version('gosynq')}")
        raise typer.Exit


@app.callback()
def gosynq(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Run background jobs on PostgreSQL, spoken to over gRPC."""
