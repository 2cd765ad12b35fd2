"""A worker that an operator drains."""

from __future__ import annotations

import pytest

from gosynq_client import Client, JobStatus
from tests.e2e.worker.conftest import Start
from tests.e2e.worker.test_worker import until_it_runs

pytestmark = pytest.mark.timeout(60)


async def test_a_drained_worker_ends_well_and_leaves_the_list(work: Start, client: Client) -> None:
    worker = await (await work("--queue", "default", "--grace", "0s")).ready()
    job = await client.enqueue("waiting", {})
    await until_it_runs(client, job.id)
    [listed] = [told async for told in client.workers.list(queue="default")]
    assert (listed.in_flight, listed.runtime.language[:6] if listed.runtime else "") == (1, "python")

    await client.workers.drain(listed.worker_id, reason="a new version")

    ended = await worker.ended()
    assert ended.status == 0, ended.log
    assert (await client.get(job.id)).status is JobStatus.PENDING
    assert [told async for told in client.workers.list()] == []
