"""gosynq jobs: look at jobs, wait for them, and change what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments, jobs_bulk
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.jobs_output import cancelled, deleted, retried, tell_attempts, tell_end, tell_job, tell_jobs
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json
from gosynq_server.cli.progress import watched_wait, with_each
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from gosynq_client import Client, Job, JobFilters

app = typer.Typer(help="Look at jobs, wait for them, cancel, retry and delete them.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="The job's id.", show_default=False)]
JobIds = Annotated[
    list[str], typer.Argument(help="The jobs' ids; - reads them from standard input.", show_default=False)
]
Timeout = Annotated[str, typer.Option(metavar="DURATION", help="How long to wait at most; without end by default.")]


@app.command("list")
@configured(ClientConfig)
def list_jobs(  # noqa: PLR0913 - one parameter per option, as typer has it
    config: ClientConfig,
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="pending, processing, completed, failed or cancelled; repeatable.")
    ] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Only of this queue; repeatable.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; repeatable.")] = None,
    where: Annotated[
        str,
        typer.Option("--filter", help='Such as: labels.tenant = "acme" AND attempt > 1; OR binds tighter than AND.'),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="The newest first by default.")] = False,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    filters: JobFilters = {
        "queues": queue or [],
        "kinds": kind or [],
        "filter": where,
        "oldest_first": oldest_first,
        "page_size": min(limit, 1000),
    }

    async def work(client: Client) -> None:
        from gosynq_client import JobStatus  # noqa: PLC0415 - --help shall not wait for gRPC

        filters["statuses"] = arguments.words(JobStatus, status or [], "--status")
        await tell_jobs(client.list(**filters), limit, json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def get(config: ClientConfig, job_id: JobId, *, json: Json = False) -> None:
    """Show one job, its payload, result and last error."""

    async def work(client: Client) -> None:
        tell_job(await client.get(job_id), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def attempts(config: ClientConfig, job_id: JobId, *, json: Json = False) -> None:
    """Show a job's attempts, newest first."""

    async def work(client: Client) -> None:
        await tell_attempts(client.attempts(job_id), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def wait(config: ClientConfig, job_id: JobId, *, timeout: Timeout = "", json: Json = False) -> None:
    """Wait for a job's end; exit with 1 unless it completes."""
    patience = arguments.duration(timeout, "--timeout")

    async def work(client: Client) -> None:
        tell_end(await watched_wait(client, job_id, patience), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def cancel(
    config: ClientConfig,
    job_ids: JobIds,
    *,
    reason: Annotated[str, typer.Option(help="Why; the worker is told.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Do not wait for the worker.")] = False,
    json: Json = False,
) -> None:
    """Cancel jobs: at once where they wait, else by telling their workers."""

    async def work(client: Client) -> None:
        async def one(job_id: str) -> Job:
            return await client.cancel(job_id, reason=reason, force=force)

        await with_each(arguments.job_ids(job_ids), one, cancelled, json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def retry(
    config: ClientConfig,
    job_ids: JobIds,
    *,
    run_at: Annotated[str, typer.Option(metavar="MOMENT", help="When; at once by default.")] = "",
    json: Json = False,
) -> None:
    """Make failed and cancelled jobs pending again, and waiting ones due."""
    start = arguments.moment(run_at, "--run-at")

    async def work(client: Client) -> None:
        async def one(job_id: str) -> Job:
            return await client.retry(job_id, run_at=start)

        await with_each(arguments.job_ids(job_ids), one, retried, json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def delete(
    config: ClientConfig,
    job_ids: JobIds,
    *,
    force: Annotated[bool, typer.Option("--force", help="Take them from workers that have them.")] = False,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="A job that is not there is fine.")] = False,
    json: Json = False,
) -> None:
    """Delete jobs with their attempts and keys."""

    async def work(client: Client) -> None:
        async def one(job_id: str) -> str:
            await client.delete(job_id, force=force, allow_missing=allow_missing)
            return job_id

        await with_each(arguments.job_ids(job_ids), one, deleted, json=json)

    with_client(config, work)


app.command("bulk-cancel")(jobs_bulk.bulk_cancel)
app.command("bulk-retry")(jobs_bulk.bulk_retry)
app.command("bulk-delete")(jobs_bulk.bulk_delete)
