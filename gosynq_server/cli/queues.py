"""gosynq queues: look at queues, limit, pause, drain, purge and delete them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.bulk import BulkFlags, BulkWork, carry_out, confirm
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.progress import progress_bar
from gosynq_server.cli.queue_flags import DefaultFlags, LimitFlags, OrderFlags, cleared, queue_settings
from gosynq_server.cli.queues_output import tell_queue, tell_queues, tell_state, tell_stats, tell_totals
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gosynq_client import BulkOptions, BulkSummary, Client

app = typer.Typer(help="Look at queues, limit, pause, drain, purge and delete them.", no_args_is_help=True)

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; told to whoever looks.")]
Etag = Annotated[str, typer.Option(help="Only if it is still as it was when this was read.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="It is fine if there is none.")]


@app.command("list")
@configured(ClientConfig)
def list_queues(config: ClientConfig, *, json: Json = False) -> None:
    """List the queues, with what is in them."""
    with_client(config, lambda client: tell_queues(client.queues.list(with_stats=True), json=json))


@app.command()
@configured(ClientConfig)
def get(config: ClientConfig, queue: QueueName, *, json: Json = False) -> None:
    """Show one queue: its state, what it was told, and what is in it."""

    async def work(client: Client) -> None:
        tell_queue(await client.queues.get(queue), json=json)

    with_client(config, work)


@app.command("set")
@configured(ClientConfig)
def set_queue(  # noqa: PLR0913 - three groups of options, and how the change is made
    config: ClientConfig,
    queue: QueueName,
    *,
    limits: LimitFlags,
    defaults: DefaultFlags,
    order: OrderFlags,
    clear: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="Take this one back, as max-concurrency; repeatable."),
    ] = None,
    etag: Etag = "",
    create: Annotated[bool, typer.Option("--create", help="Make the queue if there is none.")] = False,
    json: Json = False,
) -> None:
    """Change a queue's limits, defaults and order; what is not said stays."""
    fields = cleared(clear or [])

    async def work(client: Client) -> None:
        settings = queue_settings(limits, defaults, order)
        changed = await client.queues.update(queue, clear=fields, etag=etag, create=create, **settings)
        tell_queue(changed, json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def pause(config: ClientConfig, queue: QueueName, *, reason: Reason = "", json: Json = False) -> None:
    """Have a queue hand out no jobs; those that run go on."""

    async def work(client: Client) -> None:
        tell_state(await client.queues.pause(queue, reason=reason), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def resume(config: ClientConfig, queue: QueueName, *, json: Json = False) -> None:
    """Have a paused or draining queue take and hand out jobs again."""

    async def work(client: Client) -> None:
        tell_state(await client.queues.resume(queue), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def drain(config: ClientConfig, queue: QueueName, *, reason: Reason = "", json: Json = False) -> None:
    """Have a queue refuse new jobs and work off what it has."""

    async def work(client: Client) -> None:
        tell_state(await client.queues.drain(queue, reason=reason), json=json)

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def purge(
    config: ClientConfig,
    queue: QueueName,
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(help="pending, completed, failed or cancelled; pending by default; repeatable."),
    ] = None,
    bulk: BulkFlags,
) -> None:
    """Delete a queue's jobs by status; never those that run."""

    def steps(client: Client, options: BulkOptions) -> AsyncGenerator[BulkSummary, None]:
        from gosynq_client import JobStatus  # noqa: PLC0415 - --help shall not wait for gRPC

        statuses = arguments.words(JobStatus, status or [], "--status")
        if JobStatus.PROCESSING in statuses:
            raise typer.BadParameter("jobs that run are not purged; cancel them", param_hint="--status")
        limit, only_asked = options["limit"], options["validate_only"]
        return client.queues.purge(queue, statuses=statuses, limit=limit, validate_only=only_asked)

    carry_out(config, BulkWork(done="deleted", which={}, steps=steps), bulk)


@app.command()
@configured(ClientConfig)
def delete(  # noqa: PLR0913 - one parameter per option, as typer has it
    config: ClientConfig,
    queue: QueueName,
    *,
    force: Annotated[bool, typer.Option("--force", help="Delete its jobs too, those that run among them.")] = False,
    allow_missing: AllowMissing = False,
    etag: Etag = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Delete a queue; with --force its jobs too."""
    if force and not yes:
        confirm(f"The queue {queue} would be deleted with all its jobs. Go on?")

    async def work(client: Client) -> None:
        await _gone(client, queue, force=force, allow_missing=allow_missing, etag=etag)
        print_json({"queue": queue}) if json else print_line(f"{queue} is deleted")

    with_client(config, work)


@app.command()
@configured(ClientConfig)
def stats(
    config: ClientConfig,
    queue: Annotated[str, typer.Argument(help="One queue; all together by default.", show_default=False)] = "",
    *,
    json: Json = False,
) -> None:
    """Count the jobs of one queue, or of all."""

    async def work(client: Client) -> None:
        if queue:
            tell_stats(await client.queues.get(queue), json=json)
        else:
            tell_totals(await client.queues.stats(), json=json)

    with_client(config, work)


async def _gone(client: Client, queue: str, *, force: bool, allow_missing: bool, etag: str) -> None:
    """Delete a queue, and wait until its jobs are deleted too, however many calls that takes."""
    from gosynq_client import DeadlineExceeded  # noqa: PLC0415 - --help shall not wait for gRPC

    with progress_bar() as bar:
        bar.add_task(queue, total=None)
        while True:
            try:
                return await client.queues.delete(queue, force=force, allow_missing=allow_missing, etag=etag)
            except DeadlineExceeded:
                if not await _is_deleting(client, queue):
                    raise
            # It may be gone before it is asked for again, and its etag is no longer what it was.
            allow_missing, etag = True, ""


async def _is_deleting(client: Client, queue: str) -> bool:
    from gosynq_client import QueueNotFound, QueueState  # noqa: PLC0415 - as above

    try:
        return (await client.queues.get(queue)).state == QueueState.DELETING
    except QueueNotFound:
        return True
