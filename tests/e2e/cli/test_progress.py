import asyncio
import io
from datetime import timedelta

import pytest
from rich.console import Console

from gosynq_client import Client
from gosynq_server.cli import progress
from tests.e2e.cli.commands import Served


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Give what a terminal is shown."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)
    monkeypatch.setattr(progress, "console", lambda *, to_error: console)
    return out


async def test_a_wait_on_a_terminal_shows_where_the_job_is(server: Served, terminal: io.StringIO) -> None:
    async with Client(server.addresses["grpc"]) as client:
        enqueued = await client.enqueue("cleanup_task", delay=timedelta(hours=1))
        waiting = asyncio.create_task(progress.watched_wait(client, enqueued.id, timedelta(seconds=15)))
        async with asyncio.timeout(15):
            while "pending" not in terminal.getvalue():
                await client.get(enqueued.id)
        await client.retry(enqueued.id)
        job = await waiting
    assert (job.id, job.status) == (enqueued.id, "completed")
    assert enqueued.id in terminal.getvalue()


async def test_a_wait_on_a_terminal_shows_the_progress_that_the_worker_reports(
    server: Served, terminal: io.StringIO
) -> None:
    async with Client(server.addresses["grpc"]) as client:
        enqueued = await client.enqueue("halfway")
        waiting = asyncio.create_task(progress.watched_wait(client, enqueued.id, timedelta(seconds=15)))
        async with asyncio.timeout(15):
            while "halfway there" not in terminal.getvalue():
                await client.get(enqueued.id)
        await client.cancel(enqueued.id)
        job = await waiting
    assert (job.id, job.status) == (enqueued.id, "cancelled")
    assert "3/6" in terminal.getvalue()
