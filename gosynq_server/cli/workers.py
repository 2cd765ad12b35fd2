"""gosynq workers: look at workers, and have them leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gosynq_server.cli.connection import with_client
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, print_json, print_line, print_table
from gosynq_server.config import ClientConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gosynq_client import Client, WorkerInfo, WorkerQueue

app = typer.Typer(help="Look at workers, and have them leave.", no_args_is_help=True)

_COLUMNS = ("WORKER", "STATE", "BUSY", "QUEUES", "SEEN", "SERVER", "PROGRAM", "KINDS")


@app.command("list")
@configured(ClientConfig)
def list_workers(
    config: ClientConfig,
    *,
    queue: Annotated[str, typer.Option(help="Only those that take from this queue.")] = "",
    json: Json = False,
) -> None:
    """List the workers seen lately."""
    with_client(config, lambda client: _tell(client.workers.list(queue=queue), json=json))


@app.command()
@configured(ClientConfig)
def drain(
    config: ClientConfig,
    worker: Annotated[str, typer.Argument(help="The worker's id.", show_default=False)],
    *,
    reason: Annotated[str, typer.Option(help="Why; the worker is told.")] = "",
    json: Json = False,
) -> None:
    """Ask a worker to take no more jobs, finish what it has and leave."""

    async def work(client: Client) -> None:
        told = await client.workers.drain(worker, reason=reason)
        if json:
            print_json(told)
        else:
            print_line(f"{told.worker_id} is {told.state.value}; it has {told.in_flight} jobs left")

    with_client(config, work)


async def _tell(workers: AsyncIterator[WorkerInfo], *, json: bool) -> None:
    rows = []
    async for worker in workers:
        if json:
            print_json(worker)
        else:
            rows.append(_row(worker))
    if not json:
        print_table(_COLUMNS, rows)


def _row(worker: WorkerInfo) -> tuple[object, ...]:
    runtime = worker.runtime
    return (
        worker.worker_id,
        worker.state.value,
        f"{worker.in_flight}/{worker.max_in_flight}",
        " ".join(_queue(queue) for queue in worker.queues) or "all",
        worker.last_seen_at,
        worker.server_id or None,
        ", ".join(each for each in (runtime.sdk, runtime.language, runtime.build) if each) or None,
        " ".join(worker.kinds) or "all",
    )


def _queue(queue: WorkerQueue) -> str:
    weight = f":{queue.weight}" if queue.weight != 1 else ""
    return f"{queue.queue}{weight}" + (f" (at most {queue.max_in_flight})" if queue.max_in_flight is not None else "")
