"""gosynq jobs bulk-cancel, bulk-retry and bulk-delete: change all jobs that a filter names."""

from __future__ import annotations

from typing import Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.bulk import BulkFlags, BulkWork, carry_out
from gosynq_server.cli.job_choice import JobChoice
from gosynq_server.cli.options import configured
from gosynq_server.config import ClientConfig


@configured(ClientConfig)
def bulk_cancel(
    config: ClientConfig,
    *,
    which: JobChoice,
    reason: Annotated[str, typer.Option(help="Why; the workers are told.")] = "",
    bulk: BulkFlags,
) -> None:
    """Cancel many jobs: at once where they wait, else by telling their workers."""
    work = BulkWork(
        done="cancelled",
        which=which.options(),
        steps=lambda client, options: client.bulk_cancel(reason=reason, **options),
    )
    carry_out(config, work, bulk)


@configured(ClientConfig)
def bulk_retry(
    config: ClientConfig,
    *,
    which: JobChoice,
    run_at: Annotated[str, typer.Option(metavar="MOMENT", help="When; at once by default.")] = "",
    bulk: BulkFlags,
) -> None:
    """Make many failed and cancelled jobs pending again."""
    start = arguments.moment(run_at, "--run-at")

    work = BulkWork(
        done="retried",
        which=which.options(),
        steps=lambda client, options: client.bulk_retry(run_at=start, **options),
        asks=False,
    )
    carry_out(config, work, bulk)


@configured(ClientConfig)
def bulk_delete(config: ClientConfig, *, which: JobChoice, bulk: BulkFlags) -> None:
    """Delete many jobs; those that run are skipped."""
    carry_out(
        config,
        BulkWork(done="deleted", which=which.options(), steps=lambda client, options: client.bulk_delete(**options)),
        bulk,
    )
