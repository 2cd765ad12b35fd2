"""Work that may take long, with its progress on standard error where that is a terminal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gosynq_server.cli.connection import found_nobody
from gosynq_server.cli.failures import failure_of
from gosynq_server.cli.output import console, print_json, print_line
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from rich.progress import TaskID

    from gosynq_client import Client, Job

_Done = TypeVar("_Done")

_LOOK_EVERY = 0.5


def progress_bar() -> Progress:
    """Make a bar on standard error; it shows nothing where that is no terminal, and is gone at its end."""
    terminal = console(to_error=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    )


async def with_each(
    job_ids: Sequence[str], one: Callable[[str], Awaitable[_Done]], told: Callable[[_Done], str], *, json: bool
) -> None:
    """Do one thing to each job and print what it came to; refusals are told at once, and exit with 1 at the end."""
    from gosynq_client import GosynqError  # noqa: PLC0415 - --help shall not wait for gRPC

    refused = False
    with progress_bar() as bar:
        for job_id in bar.track(job_ids, description="jobs"):
            try:
                done = await one(job_id)
            except GosynqError as error:
                failure = None if found_nobody(error) else failure_of(error)
                if failure is None:
                    raise
                refused = True
                failure.tell(json=json, job_id=job_id)
                continue
            if json:
                print_json({"job_id": done} if isinstance(done, str) else done)
            else:
                print_line(told(done))
    if refused:
        raise typer.Exit(1)


async def watched_wait(client: Client, job_id: str, patience: timedelta | None) -> Job:
    """Wait for a job's end, showing the progress that its worker reports. Raises as Client.wait does."""
    with progress_bar() as bar:
        task = bar.add_task(job_id, total=None)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(client, job_id, bar, task)) if not bar.disable else None
            job = await client.wait(job_id, patience)
            if watching:
                watching.cancel()
    return job


async def _watch(client: Client, job_id: str, bar: Progress, task: TaskID) -> None:
    while True:
        job = await client.get(job_id)
        said = job.progress
        if said:
            bar.update(task, completed=said.current, total=said.total or None)
        bar.update(task, description=f"{job_id} {printable(said.message) if said else job.status.value}")
        await asyncio.sleep(_LOOK_EVERY)
