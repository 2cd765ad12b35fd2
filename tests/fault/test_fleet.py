"""Three servers and workers in three languages, of which some are killed or paused all the time.

FAULT_JOBS says how many jobs, FAULT_WORKERS how many workers; 20,000 with 20 take some minutes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from gosynq_server.domain.job import JobStatus
from tests.fault.checker import check, late_runs
from tests.fault.conftest import Chronicle, Execute, Launch
from tests.fault.fleet import LANGUAGES, Fleet, Worker
from tests.fault.history import History
from tests.fault.judging import LIMITS, SETTINGS, TOO_LATE, TROUBLE, client_of
from tests.fault.load import Load, drain
from tests.fault.replicas import Replica
from tests.fault.servers import together
from tests.fault.tables import Tables, read_tables

JOBS = int(os.environ.get("FAULT_JOBS", "3000"))
WORKERS = int(os.environ.get("FAULT_WORKERS", "8"))
_SERVERS = 3
_RATE = 200.0
# The load is the clock: at its rate this many jobs take about two leases.
_TWO_LEASES = int(2 * _RATE * LIMITS.lease_duration.total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls servers and workers while the load is on."""

    load: Load
    random: Random
    replicas: Sequence[Replica]
    workers: Sequence[Worker]

    async def run(self) -> None:
        """Make trouble of every kind until there are enough jobs."""
        async with asyncio.TaskGroup() as kinds:
            kinds.create_task(self._kill_workers())
            kinds.create_task(self._freeze_workers())
            kinds.create_task(self._kill_servers())

    async def _kill_workers(self) -> None:
        while await self._goes_on(50, 300):
            await self.random.choice([worker for worker in self.workers if not worker.is_frozen]).kill()

    async def _freeze_workers(self) -> None:
        while await self._goes_on(20, 100):
            frozen = self.random.sample(self.workers, max(1, len(self.workers) // 6))
            for worker in frozen:
                worker.freeze()
            await self.load.acknowledge(_TWO_LEASES)
            for worker in frozen:
                worker.thaw()

    async def _kill_servers(self) -> None:
        while await self._goes_on(200, 800):
            await self.random.choice(self.replicas).kill()

    async def _goes_on(self, least: int, most: int) -> bool:
        """Wait for some more jobs; say whether there are to be more."""
        await self.load.acknowledge(self.random.randrange(least, most))
        return len(self.load.ids) < JOBS


@pytest.fixture
def fleet(folder: Path, execute: Execute, chronicle: Chronicle) -> Fleet:
    return Fleet(folder=folder, execute=execute, chronicle=chronicle)


@pytest.mark.timeout(60 + JOBS // 40)
async def test_nothing_is_lost_and_nothing_completes_twice_with_three_servers_and_workers_in_three_languages(
    launch: Launch, fleet: Fleet, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    replicas = [Replica(f"server-{n}", launch, chronicle, database_url, SETTINGS) for n in range(_SERVERS)]
    workers = fleet.workers(WORKERS, [replica.address for replica in replicas])
    await together(replica.start() for replica in replicas)
    await together(worker.start() for worker in workers)
    async with client_of(f"ipv4:{','.join(replica.address for replica in replicas)}") as client:
        load = Load(client=client, journal=chronicle.journal, random=random, rate=_RATE)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            await Trouble(load=load, random=random, replicas=replicas, workers=workers).run()
            load.stop()
        await drain(client, within=timedelta(seconds=60 + JOBS / 100))
    await together(worker.stop() for worker in workers)
    await together(replica.stop() for replica in replicas)
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() <= TROUBLE | {TOO_LATE}
    _check_that_there_was_trouble(history, tables, workers)


def _check_that_there_was_trouble(history: History, tables: Tables, workers: Sequence[Worker]) -> None:
    """A run in which nothing happened says nothing."""
    languages = {pid: worker.language for worker in workers for pid in worker.pids}
    runs = history.runs()
    ran, killed = Counter(languages[run.start.pid] for run in runs), sum(len(worker.pids) - 1 for worker in workers)
    lost = sum(attempt.outcome == "lease_expired" for attempt in tables.attempts)
    late = Counter(languages[run.start.pid] for run in late_runs(history, tables))
    sys.stdout.write(f"{len(tables.jobs)} jobs, runs {dict(ran)}, kills of {killed} workers and ")
    sys.stdout.write(f"{len(history.deaths) - killed} servers, {lost} leases ran out, begun too late: {dict(late)}\n")
    assert set(ran) == {worker.language for worker in workers}
    assert any(run.end is None for run in runs), "no kill met a handler at work"
    assert lost, "no lease ran out"
    assert any(job.status is JobStatus.COMPLETED and job.lease_seq > 1 for job in tables.jobs), "no job ran again"


@pytest.mark.timeout(90)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_worker_begins_no_lease_that_ran_out_while_it_was_paused(
    language: str, launch: Launch, fleet: Fleet, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    replica = Replica("server", launch, chronicle, database_url, SETTINGS)
    paused, other = (
        fleet.worker("paused", language, [replica.address]),
        fleet.worker("other", "python", [replica.address]),
    )
    await replica.start()
    await paused.start()
    async with client_of(replica.address) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        await client.wait(await load.enqueue("quick", "first", {}))
        paused.freeze()
        handed_out = [await load.enqueue("quick", f"handed-out-{number}", {}) for number in range(5)]
        await other.start()
        for job_id in handed_out:
            await client.wait(job_id)
        await other.stop()
        paused.thaw()
        # The stream brings it after the leases that have run out.
        await client.wait(await load.enqueue("quick", "last", {}))
    await paused.stop()
    await replica.stop()
    history, tables = chronicle.read(), await read_tables(database_url)
    assert check(history, tables, LIMITS) == []
    assert all(job.lease_seq > 1 for job in tables.jobs if job.id in handed_out)
    assert {run.start.job_id for run in history.runs() if run.start.pid in paused.pids}.isdisjoint(handed_out)
