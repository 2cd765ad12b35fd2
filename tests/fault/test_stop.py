"""A server that is told to stop while it works."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import pytest

from gosynq_server.domain.job import JobStatus
from tests.fault.checker import check
from tests.fault.conftest import Bell, Chronicle, Launch
from tests.fault.judging import LIMITS, POOL, client_of, stop
from tests.fault.load import Load, drain
from tests.fault.tables import read_tables

_AT_WORK = 20
# A busy machine loses no lease of its own accord.
_LONG_LEASE = ("--lease-duration", "30s")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_server_told_to_stop_twice_gives_its_leases_back_unspent(
    number: signal.Signals, launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    command = ("serve", "--database-url", database_url, *POOL, *_LONG_LEASE)
    server = await (await launch(*command)).ready()
    async with client_of(server.addresses["grpc"]) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        jobs = {await load.enqueue("hanging", f"hanging-{position}", {}) for position in range(_AT_WORK + 5)}
        await bell.until(lambda: len(bell.started(by=server.pid)) == _AT_WORK)
        server.signal(number)
        server.signal(number)
        ended = await server.ended()
    assert (ended.status, "Traceback" in ended.log) == (0, False), ended.log
    tables = await read_tables(database_url)
    assert {job.id for job in tables.jobs} == jobs
    assert {(job.status, job.failures, job.deliveries) for job in tables.jobs} == {(JobStatus.PENDING, 0, 0)}
    assert {job.id for job in tables.jobs if job.lease_seq == 1} >= bell.started(by=server.pid)
    assert tables.attempts == []


@pytest.mark.timeout(60)
async def test_servers_that_follow_each_other_under_load_spend_no_attempt_and_lose_no_job(
    launch: Launch, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    command = ("serve", "--database-url", database_url, *POOL, *_LONG_LEASE)
    server = await (await launch(*command)).ready()
    for turn in range(3):
        async with client_of(server.addresses["grpc"]) as client:
            load = Load(client=client, journal=chronicle.journal, random=random, prefix=f"turn-{turn}")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load.run())
                await load.acknowledge(random.randrange(50, 300))
                load.stop()
        await stop(server)
        server = await (await launch(*command)).ready()
    async with client_of(server.addresses["grpc"]) as client:
        await drain(client)
    await stop(server)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert {attempt.outcome for attempt in tables.attempts} <= {"failed", "cancelled"}
