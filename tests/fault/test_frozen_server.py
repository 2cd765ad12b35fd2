"""A server that stops in mid-work, and goes on when another one has taken its jobs over."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import pytest

from gosynq_client import Client
from tests.fault.checker import check
from tests.fault.conftest import Bell, Chronicle, Launch
from tests.fault.history import Edge
from tests.fault.judging import LIMITS, POOL, client_of, stop
from tests.fault.load import Load, drain
from tests.fault.servers import PATIENCE
from tests.fault.tables import read_tables

_JOBS = 10
_SECONDS = 2.0


@pytest.mark.timeout(90)
async def test_a_server_frozen_past_its_leases_completes_nothing_twice_and_has_its_stale_results_refused(
    launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    command = ("serve", "--database-url", database_url, *POOL)
    frozen = await (await launch(*command, log="frozen")).ready()
    async with client_of(frozen.addresses["grpc"]) as client:
        slow = await _enqueue_slow(client, chronicle, random)
        await bell.until(lambda: bell.started(by=frozen.pid) >= slow)
    frozen.signal(signal.SIGSTOP)
    other = await (await launch(*command, log="other")).ready()
    async with client_of(other.addresses["grpc"]) as client, asyncio.timeout(PATIENCE):
        # The stale results come in while the second leases are at work: only the fence keeps them apart.
        await bell.until(lambda: bell.started(by=other.pid) >= slow)
        frozen.signal(signal.SIGCONT)
        await bell.until(lambda: _ended(bell, frozen.pid) >= slow)
        await _load_both(client, chronicle, random)
        await drain(client)
    await stop(frozen)
    await stop(other)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert all(job.lease_seq > 1 for job in tables.jobs if job.id in slow)
    assert "result refused, lease lost" in frozen.log()


async def _enqueue_slow(client: Client, chronicle: Chronicle, random: Random) -> set[str]:
    load = Load(client=client, journal=chronicle.journal, random=random, prefix="slow")
    return {await load.enqueue("slow", f"slow-{number}", {"seconds": _SECONDS}) for number in range(_JOBS)}


async def _load_both(client: Client, chronicle: Chronicle, random: Random) -> None:
    load = Load(client=client, journal=chronicle.journal, random=random)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run())
        await load.acknowledge(100)
        load.stop()


def _ended(bell: Bell, pid: int) -> set[str]:
    return {job_id for edge, job_id, _, by in bell.heard if edge is Edge.END and by == pid}
