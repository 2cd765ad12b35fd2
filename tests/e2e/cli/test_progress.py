import asyncio
import io
from datetime import timedelta

import pytest
from rich.console import Console

from gosynq_client import Client
from gosynq_server.cli import progress
from tests.e2e.cli.commands import Served


async def test_a_wait_on_a_terminal_shows_where_the_job_is(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=160)
    monkeypatch.setattr(progress, "console", lambda *, to_error: terminal)
    async with Client(server.addresses["grpc"]) as client:
        enqueued = await client.enqueue("cleanup_task", delay=timedelta(hours=1))
        waiting = asyncio.create_task(progress.watched_wait(client, enqueued.id, timedelta(seconds=15)))
        async with asyncio.timeout(15):
            while "pending" not in out.getvalue():
                await client.get(enqueued.id)
        await client.retry(enqueued.id)
        job = await waiting
    assert (job.id, job.status) == (enqueued.id, "completed")
    assert enqueued.id in out.getvalue()
