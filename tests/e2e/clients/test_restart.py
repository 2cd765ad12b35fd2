"""A server that is killed, or told to stop, and begins anew: what the programs of each language make of it."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_client import Client, ClientOptions, JobStatus
from tests.e2e.clients.examples import Examples
from tests.e2e.watch.servers import servers_over
from tests.fault.servers import free_port

# The library lets a process's clients wait together for their next try to connect, but for those with a pool.
APART = ClientOptions(channel_options=(("grpc.use_local_subchannel_pool", 1),))

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_a_job_outlives_its_server_under_the_same_lease(folder: Path, language: str, end: signal.Signals) -> None:
    port = str(free_port())
    examples = Examples(language=language, target=f"127.0.0.1:{port}", queue="default")
    async with (
        servers_over(folder / f"{language}-{end.name}", "--grpc-port", port, "--grace", "1s") as start,
        examples.running("watcher") as watcher,
        examples.running("worker") as worker,
    ):
        server = await start()
        ids = [await examples.produce("sleep", f'{{"seconds": {seconds}}}') for seconds in (2, 12)]
        for job_id in ids:
            await watcher.until(job_id, "started")
        server.signal(end)
        await server.ended()
        await start()
        for job_id in ids:
            await watcher.until(job_id, "succeeded")
        async with Client(examples.target, APART) as client:
            jobs = [await client.wait(job_id, timedelta(seconds=1)) for job_id in ids]
        status = await worker.end(signal.SIGTERM)

    assert [(job.status, job.attempt) for job in jobs] == [(JobStatus.COMPLETED, 1)] * 2
    assert [line.split()[2] for line in watcher.lines if line.startswith(ids[0])] == ["created", "started", "succeeded"]
    assert len(watcher.lines) == 3 * len(ids)
    assert status == 0
