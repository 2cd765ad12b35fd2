"""Queues with limits over three servers with pools and workers beside them, some of them killed or frozen all the time.

FAULT_LIMITED says how many jobs; 20,000 take ten minutes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

import pytest

from tests.fault.checker import check
from tests.fault.conftest import Chronicle, Execute, Launch
from tests.fault.fleet import Worker
from tests.fault.judging import LIMITS, POOL, SETTINGS, STOPPING, TROUBLE, client_of
from tests.fault.limited import BOUNDED, CHANGED, CROWDED, HALTED, KEYED, ORDERED, PACED, Limited, queue_worker
from tests.fault.limits import Noun, check_order, check_pauses, check_rates, leases_of, levels
from tests.fault.load import Load, drain
from tests.fault.replicas import Replica
from tests.fault.servers import together
from tests.fault.tables import Tables, read_tables

JOBS = int(os.environ.get("FAULT_LIMITED", "600"))
_WORKERS = 2
# At the load's pace so many jobs take about two leases.
_TWO_LEASES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls the servers and workers: the first server is frozen, the others are killed, as are the workers."""

    load: Load
    random: Random
    replicas: Sequence[Replica]
    workers: Sequence[Worker]

    async def run(self) -> None:
        """Make trouble of every kind until there are enough jobs."""
        async with asyncio.TaskGroup() as kinds:
            kinds.create_task(self._kill_workers())
            kinds.create_task(self._freeze())
            kinds.create_task(self._end_servers())

    async def _kill_workers(self) -> None:
        while await self._goes_on(100, 400):
            await self.random.choice([worker for worker in self.workers if not worker.is_frozen]).kill()

    async def _freeze(self) -> None:
        some: list[Replica | Worker] = [self.replicas[0], *self.workers]
        while await self._goes_on(50, 200):
            frozen = self.random.choice(some)
            frozen.freeze()
            await self.load.acknowledge(_TWO_LEASES)
            frozen.thaw()

    async def _end_servers(self) -> None:
        while await self._goes_on(150, 500):
            replica = self.random.choice(self.replicas[1:])
            await (replica.kill() if self.random.random() < 0.7 else replica.restart())

    async def _goes_on(self, least: int, most: int) -> bool:
        """Wait for some more jobs; say whether there are to be more."""
        await self.load.acknowledge(self.random.randrange(least, most))
        return len(self.load.ids) < JOBS


@pytest.mark.timeout(90 + JOBS // 10)
async def test_limits_and_pauses_hold_with_three_servers_and_workers_of_which_some_are_killed_or_frozen(
    launch: Launch, execute: Execute, database_url: str, chronicle: Chronicle, random: Random
) -> None:
    settings = (POOL, POOL, SETTINGS)
    replicas = [Replica(f"server-{n}", launch, chronicle, database_url, said) for n, said in enumerate(settings)]
    addresses = [replica.address for replica in replicas]
    workers = [queue_worker(f"worker-{n}", addresses, execute, chronicle) for n in range(_WORKERS)]
    await together([*(replica.start() for replica in replicas), *(worker.start() for worker in workers)])
    async with client_of(f"ipv4:{','.join(addresses[1:])}") as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with Limited.on(database_url, client, load, random) as limited:
            await limited.run(Trouble(load=load, random=random, replicas=replicas, workers=workers).run())
        await drain(client, within=timedelta(seconds=60 + JOBS / 100))
    await together([*(replica.stop() for replica in replicas), *(worker.stop() for worker in workers)])
    history, tables = chronicle.read(), await read_tables(database_url)
    leases, judge = leases_of(tables), limited.sampler.judge
    _tell(tables, limited, workers, history.deaths)
    assert judge.found == []
    assert check_rates(leases, judge.settings) == []
    assert check_order(leases, history) == []
    assert check_pauses(limited.pauses) == []
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() <= TROUBLE | {STOPPING, "QUEUE_FULL"}
    _check_that_limits_were_reached(tables, limited)


def _tell(tables: Tables, limited: Limited, workers: Sequence[Worker], deaths: Sequence[object]) -> None:
    judge, leases = limited.sampler.judge, leases_of(tables)
    lost = sum(attempt.outcome == "lease_expired" for attempt in tables.attempts)
    fullest = {
        f"{look.max_leases_per_second}/s, burst {look.lease_burst}": round(level, 3)
        for look, level, _ in sorted(levels(leases, judge.settings[PACED]), key=lambda found: found[1])
    }
    reached, lowered = (
        {f"{queue} {noun}": count for (queue, noun), count in counts.items() if count}
        for counts in (judge.reached, judge.lowered)
    )
    lines = (
        f"{len(tables.jobs)} jobs {dict(Counter(job.queue for job in tables.jobs))}, {len(leases)} leases, {lost} lost",
        f"{sum(len(worker.pids) - 1 for worker in workers)} workers of {len(deaths)} processes killed",
        f"{judge.looks} snapshots, {limited.changes} changes, {len(limited.pauses)} pauses",
        f"at the limit {reached}, above a lowered one {lowered}",
        f"fullest burst by rate: {fullest}; answers {dict(limited.load.reasons + limited.reasons)}",
    )
    sys.stdout.write("\n".join(lines) + "\n")


def _check_that_limits_were_reached(tables: Tables, limited: Limited) -> None:
    """A run in which nothing comes near its limit says nothing."""
    judge = limited.sampler.judge
    for queue, noun in (
        (CROWDED, Noun.CONCURRENCY),
        (KEYED, Noun.CONCURRENCY_PER_KEY),
        (ORDERED, Noun.ORDERING),
        (BOUNDED, Noun.PENDING),
    ):
        assert judge.reached[queue, noun], f"{queue}: its limit was never reached"
    assert limited.load.reasons["QUEUE_FULL"]
    assert all(len(judge.settings[queue]) > 1 for queue in CHANGED), "a queue's limit was never changed"
    assert any(level > 1 for _, level, _ in levels(leases_of(tables), judge.settings[PACED]))
    assert any(pause.waiting for pause in limited.pauses), "no pause held anything up"
    assert any(job.queue == HALTED and job.lease_seq for job in tables.jobs)
    assert any(attempt.outcome == "lease_expired" for attempt in tables.attempts), "no lease ran out"
