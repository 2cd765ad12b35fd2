"""The checker on a run of real processes over a database in which a fault was planted: it has to find it."""

from __future__ import annotations

import asyncio
import signal
from random import Random

import asyncpg
import pytest

from tests.fault.checker import Invariant, check
from tests.fault.conftest import Bell, Chronicle, Launch
from tests.fault.judging import LIMITS, client_of, stop
from tests.fault.load import Load, drain
from tests.fault.servers import PATIENCE
from tests.fault.tables import read_tables
from tests.fault.test_workers import address_of, worker_of

_JOBS = 10
_SECONDS = 1.0

# Ends a job's lease for whoever holds, or held, any of its leases.
_NO_FENCE = """
    CREATE OR REPLACE FUNCTION gosynq.end_leases(queue_name text, job_ids uuid [], lease_seqs integer [])
    RETURNS SETOF gosynq.running LANGUAGE plpgsql AS $$
    DECLARE job gosynq.running;
    BEGIN
        FOR place IN 1 .. coalesce(array_length(job_ids, 1), 0) LOOP
            DELETE FROM gosynq.running WHERE queue = queue_name AND id = job_ids[place] RETURNING * INTO job;
            IF FOUND THEN
                job.lease_seq := lease_seqs[place];
                job.deliveries := least(job.deliveries, job.lease_seq);
                RETURN NEXT job;
            END IF;
        END LOOP;
    END $$
"""


@pytest.mark.timeout(180)
async def test_a_database_that_takes_the_result_of_a_lost_lease_is_caught(
    launch: Launch, database_url: str, chronicle: Chronicle, bell: Bell, random: Random
) -> None:
    await _plant(database_url)
    address, command = address_of(database_url)
    server = await (await launch(*command)).ready()
    paused = await (await launch(*worker_of(address), log="paused")).ready()
    async with client_of(address) as client, asyncio.timeout(2 * PATIENCE):
        load = Load(client=client, journal=chronicle.journal, random=random)
        # The paused worker's results have to find them at work at the other's, however long it takes to wake up.
        slow = {await load.enqueue("slower", f"slow-{number}", {"seconds": _SECONDS}) for number in range(_JOBS)}
        await bell.until(lambda: bell.started(by=paused.pid) >= slow)
        paused.signal(signal.SIGSTOP)
        other = await (await launch(*worker_of(address), log="other")).ready()
        await bell.until(lambda: bell.started(by=other.pid) >= slow)
        paused.signal(signal.SIGCONT)
        await drain(client)
    for process in (paused, other, server):
        await stop(process)
    found = check(chronicle.read(), await read_tables(database_url), LIMITS)
    assert Invariant.LEASE_FENCES in {violation.invariant for violation in found}


async def _plant(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(_NO_FENCE)
    await connection.close()
