"""gosynq enqueue: put one job into a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.jobs import Timeout
from gosynq_server.cli.jobs_output import tell_end
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.progress import watched_wait
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from gosynq_client import Client, JobOptions


@configured(ClientConfig)
def enqueue(  # noqa: PLR0913 - one parameter per option, as typer has it
    config: ClientConfig,
    kind: Annotated[str, typer.Argument(help="What there is to do: the name of a handler.", show_default=False)],
    payload: Annotated[
        str, typer.Argument(help="A JSON object, @PATH for a file with it, - for standard input.")
    ] = "{}",
    *,
    queue: Annotated[str, typer.Option(help="The queue.")] = "default",
    priority: Annotated[str, typer.Option(help="low, normal, high or critical; the queue's by default.")] = "",
    delay: Annotated[str, typer.Option(metavar="DURATION", help="Start no sooner than in 30s, 1h30m.")] = "",
    run_at: Annotated[str, typer.Option(metavar="MOMENT", help="Start no sooner: 2030-01-31T12:00:00Z.")] = "",
    key: Annotated[str, typer.Option(help="An idempotency key: enqueued twice, there is one job.")] = "",
    label: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="To search by; repeatable.")] = None,
    max_retries: Annotated[
        int | None, typer.Option(min=0, max=1000, help="How often to try again; the queue's by default.")
    ] = None,
    content_type: Annotated[str, typer.Option(help="The payload is of this media type, not JSON.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only check that it would be taken.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit with 1 unless it completes.")] = False,
    timeout: Timeout = "",
    json: Json = False,
) -> None:
    """Put one job into a queue and print its id."""
    content = arguments.payload(payload, content_type)
    patience = arguments.duration(timeout, "--timeout")
    options: JobOptions = {
        "queue": queue,
        "labels": arguments.labels(label or []),
        "max_retries": max_retries,
        "content_type": content_type,
        "idempotency_key": key or None,
        "delay": arguments.duration(delay, "--delay"),
        "run_at": arguments.moment(run_at, "--run-at"),
    }

    async def work(client: Client) -> None:
        from gosynq_client import Priority  # noqa: PLC0415 - --help shall not wait for gRPC

        if priority:
            [options["priority"]] = arguments.words(Priority, [priority], "--priority")
        try:
            enqueued = await client.enqueue(kind, content, validate_only=check, **options)
        except (ValueError, TypeError) as error:
            raise typer.BadParameter(str(error)) from error
        if wait and enqueued.id:
            tell_end(await watched_wait(client, enqueued.id, patience), json=json)
        elif json:
            print_json(enqueued)
        else:
            print_line(_line(enqueued.id, deduplicated=enqueued.deduplicated))

    with_client(config, work)


def _line(job_id: str, *, deduplicated: bool) -> str:
    return f"{job_id or 'it would be taken'}{' (was there already)' if deduplicated else ''}"
