"""Handlers that do worse than fail: they kill their process, or never come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from gosynq_client import AttemptOutcome, JobStatus
from tests.fault.checker import check
from tests.fault.conftest import Chronicle, Launch
from tests.fault.judging import LIMITS, POOL, SETTINGS, client_of, stop
from tests.fault.load import Load
from tests.fault.servers import PATIENCE
from tests.fault.tables import read_tables

_DIED = 77
_DELIVERIES = 2
_PATIENCE = timedelta(seconds=PATIENCE)


@pytest.mark.timeout(90)
async def test_a_job_that_kills_its_worker_ends_in_the_dead_letter_queue_after_so_many_deliveries(
    launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    told = ("--database-url", database_url, "--max-deliveries", str(_DELIVERIES))
    front = await (await launch("serve", *SETTINGS, *told, log="front")).ready()
    async with client_of(front.addresses["grpc"]) as client:
        job_id = await Load(client=client, journal=chronicle.journal, random=random).enqueue("dying", "poison", {})
        for _ in range(_DELIVERIES):
            worker = await launch("serve", *POOL, *told, log="worker")
            assert (await worker.ended()).status == _DIED
            chronicle.journal.died(worker.pid)
        job = await client.wait(job_id, _PATIENCE)
        outcomes = [attempt.outcome async for attempt in client.attempts(job_id)]
    await stop(front)
    assert (job.status, outcomes) == (JobStatus.FAILED, [AttemptOutcome.LEASE_EXPIRED] * _DELIVERIES)
    limits = replace(LIMITS, max_deliveries=_DELIVERIES)
    assert check(chronicle.read(), await read_tables(database_url), limits) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("kind", "payload"), [("hanging", {}), ("threaded", {"seconds": 4})])
async def test_a_handler_that_does_not_come_back_in_time_fails_and_holds_nobody_up(
    kind: str, payload: dict[str, object], launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    command = ("serve", "--database-url", database_url, *POOL, "--max-retries", "1")
    server = await (await launch(*command)).ready()
    async with client_of(server.addresses["grpc"]) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        late = await load.enqueue(kind, "late", payload, attempt_timeout=timedelta(seconds=1))
        quick = await load.enqueue("quick", "quick", {})
        assert (await client.wait(quick, _PATIENCE)).status is JobStatus.COMPLETED
        assert (await client.get(late)).done is False
        job = await client.wait(late, _PATIENCE)
        outcomes = [attempt.outcome async for attempt in client.attempts(late)]
    await stop(server)
    assert (job.status, job.last_error and job.last_error.type) == (JobStatus.FAILED, "AttemptTimeout")
    assert outcomes == [AttemptOutcome.TIMED_OUT] * 2
    assert check(chronicle.read(), await read_tables(database_url), replace(LIMITS, max_retries=1)) == []
