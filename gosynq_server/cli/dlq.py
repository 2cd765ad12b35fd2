"""gosynq dlq: look at dead letters, the jobs that failed for good, run them again and delete them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.bulk import BulkFlags, BulkWork, carry_out
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.job_choice import DeadLetterChoice, Kinds, Queues, Since, Until
from gosynq_server.cli.jobs_output import tell_dead_letters
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gosynq_client import BulkOptions, BulkSummary, Client, DeadLetterFilters

app = typer.Typer(help="Look at jobs that failed for good, run them again and delete them.", no_args_is_help=True)

JobIds = Annotated[
    list[str] | None, typer.Argument(help="The jobs' ids; - reads them from standard input.", show_default=False)
]


@app.command("list")
@configured(ClientConfig)
def list_dead_letters(  # noqa: PLR0913 - one parameter per option, as typer has it
    config: ClientConfig,
    *,
    queue: Queues = None,
    kind: Kinds = None,
    error_type: Annotated[str, typer.Option(help="Only with this class of last error.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    json: Json = False,
) -> None:
    """List dead letters, the last to fail first."""
    now = datetime.now(UTC)
    filters: DeadLetterFilters = {
        "queues": queue or [],
        "kinds": kind or [],
        "error_type": error_type,
        "start_at": arguments.since(since, "--since", now=now),
        "end_at": arguments.since(until, "--until", now=now),
        "page_size": min(limit, 1000),
    }
    with_client(config, lambda client: tell_dead_letters(client.dead_letters.list(**filters), limit, json=json))


@app.command()
@configured(ClientConfig)
def redrive(  # noqa: PLR0913 - two groups of options, and where and when
    config: ClientConfig,
    job_ids: JobIds = None,
    *,
    which: DeadLetterChoice,
    to: Annotated[str, typer.Option(metavar="QUEUE", help="Into this queue, not their own.")] = "",
    run_at: Annotated[str, typer.Option(metavar="MOMENT", help="When; at once by default.")] = "",
    spread: Annotated[
        str, typer.Option(metavar="DURATION", help="Spread the starts of each call's jobs over this time.")
    ] = "",
    bulk: BulkFlags,
) -> None:
    """Put dead letters back into their queues, or into another: pending, with new attempts."""
    chosen = which.options(arguments.job_ids(job_ids or []))
    start, length = arguments.moment(run_at, "--run-at"), arguments.duration(spread, "--spread")

    def steps(client: Client, options: BulkOptions) -> AsyncGenerator[BulkSummary, None]:
        return client.dead_letters.redrive(to=to, run_at=start, spread=length, **options)

    carry_out(config, BulkWork(done="redriven", which=chosen, steps=steps, asks=False), bulk)


@app.command()
@configured(ClientConfig)
def purge(config: ClientConfig, job_ids: JobIds = None, *, which: DeadLetterChoice, bulk: BulkFlags) -> None:
    """Delete dead letters."""
    chosen = which.options(arguments.job_ids(job_ids or []))

    def steps(client: Client, options: BulkOptions) -> AsyncGenerator[BulkSummary, None]:
        return client.dead_letters.purge(**options)

    carry_out(config, BulkWork(done="deleted", which=chosen, steps=steps), bulk)
