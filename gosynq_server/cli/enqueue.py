"""gosynq enqueue: put one job into a queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli import arguments
from gosynq_server.cli.connection import with_client
from gosynq_server.cli.job_flags import JobFlags
from gosynq_server.cli.jobs import Timeout
from gosynq_server.cli.jobs_output import tell_end
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line
from gosynq_server.cli.progress import watched_wait
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from gosynq_client import Client, JobOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceFlags:
    """When a job starts, and which job it is the same as."""

    delay: Annotated[str, typer.Option(metavar="DURATION", help="Start no sooner than in 30s, 1h30m.")] = ""
    run_at: Annotated[str, typer.Option(metavar="MOMENT", help="Start no sooner: 2030-01-31T12:00:00Z.")] = ""
    key: Annotated[str, typer.Option(help="An idempotency key: enqueued twice, there is one job.")] = ""
    debounce_key: Annotated[
        str, typer.Option(metavar="KEY", help="While a job of this key waits, no other is added.")
    ] = ""
    debounce_mode: Annotated[
        str, typer.Option(help="What becomes of the one that waits: keep, replace or reschedule; keep by default.")
    ] = ""

    def options(self) -> JobOptions:
        """Give what is said, in the client's words."""
        from gosynq_client import DebounceMode  # noqa: PLC0415 - --help shall not wait for gRPC

        if self.debounce_mode and not self.debounce_key:
            raise typer.BadParameter("it goes with --debounce-key only", param_hint="--debounce-mode")
        if self.debounce_key and self.key:
            raise typer.BadParameter("it does not go with --key", param_hint="--debounce-key")
        return {
            "delay": arguments.duration(self.delay, "--delay"),
            "run_at": arguments.moment(self.run_at, "--run-at"),
            "idempotency_key": self.key or None,
            "debounce_key": self.debounce_key,
            "debounce_mode": arguments.word(DebounceMode, self.debounce_mode, "--debounce-mode"),
        }


@configured(ClientConfig)
def enqueue(  # noqa: PLR0913 - what is said of the job, and what is to become of the command
    config: ClientConfig,
    kind: Annotated[str, typer.Argument(help="What there is to do: the name of a handler.", show_default=False)],
    payload: Annotated[
        str, typer.Argument(help="A JSON object, @PATH for a file with it, - for standard input.")
    ] = "{}",
    *,
    job: JobFlags,
    once: OnceFlags,
    check: Annotated[bool, typer.Option("--check", help="Only check that it would be taken.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end; exit with 1 unless it completes.")] = False,
    timeout: Timeout = "",
    json: Json = False,
) -> None:
    """Put one job into a queue and print its id."""
    content = arguments.payload(payload, job.content_type)
    patience = arguments.duration(timeout, "--timeout")
    options: JobOptions = {**job.options(), **once.options()}

    async def work(client: Client) -> None:
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
