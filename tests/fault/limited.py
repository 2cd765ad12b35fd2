"""A load on queues with limits that change while it goes on, one of which is paused and resumed again and again."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final

import asyncpg

from gosynq_client import Client, GosynqError, JobRequest, QueueLimits
from tests.fault.conftest import Chronicle, Execute
from tests.fault.fleet import Worker
from tests.fault.judging import STOPPING, TROUBLE
from tests.fault.limits import LimitJudge, Look, Pause
from tests.fault.load import Load
from tests.fault.servers import HANDLERS

CROWDED, PACED, KEYED, ORDERED, BOUNDED, HALTED = "crowded", "paced", "keyed", "ordered", "bounded", "halted"

LIMITS: Final[Mapping[str, Sequence[QueueLimits]]] = {
    CROWDED: [QueueLimits(max_concurrency=limit) for limit in (4, 2, 9)],
    PACED: [
        QueueLimits(max_leases_per_second=rate, lease_burst=burst) for rate, burst in ((30, 5), (60.7, 1), (20, 20))
    ],
    KEYED: [QueueLimits(max_concurrency_per_key=limit) for limit in (2, 1, 4)],
    BOUNDED: [QueueLimits(max_pending=limit, max_concurrency=2) for limit in (20, 5, 40)],
    ORDERED: [QueueLimits()],
    HALTED: [QueueLimits()],
}
"""What the queues have from the start, and what they may have later."""

CHANGED: Final = (CROWDED, PACED, KEYED, BOUNDED)

_BACKLOG = 40
_CONCURRENCY_KEYS, _ORDERING_KEYS = 4, 4
_SHARE_FAILING = 0.1
_PACE = 0.01
_LONGEST_QUIET = 0.8

_LOOK = """
    WITH pending AS MATERIALIZED (
        SELECT queue, lease_seq FROM gosynq.ready
        UNION ALL
        SELECT queue, lease_seq FROM gosynq.scheduled
    )
    SELECT
        queue.name AS queue, queue.version, queue.updated_at AS changed_at, queue.max_concurrency,
        queue.max_concurrency_per_key, queue.max_leases_per_second, queue.lease_burst, queue.max_pending,
        (SELECT count(*) FROM pending AS job WHERE job.queue = queue.name) AS waiting,
        (SELECT count(*) FROM pending AS job WHERE job.queue = queue.name AND job.lease_seq = 0) AS fresh,
        (SELECT count(*) FROM gosynq.running AS job WHERE job.queue = queue.name) AS running,
        ARRAY(
            SELECT job.concurrency_key FROM gosynq.running AS job
            WHERE job.queue = queue.name AND job.concurrency_key IS NOT NULL
        ) AS concurrency_keys,
        ARRAY(
            SELECT job.ordering_key FROM gosynq.running AS job
            WHERE job.queue = queue.name AND job.ordering_key IS NOT NULL
        ) AS ordering_keys
    FROM gosynq.queues AS queue
"""
_LEASES = """
    SELECT coalesce(sum(cardinality(job_ids)), 0)::bigint
    FROM gosynq.events
    WHERE queue = $1 AND type = 'started'
"""


def queue_worker(name: str, addresses: Sequence[str], execute: Execute, chronicle: Chronicle) -> Worker:
    """Make a worker of all these queues for all servers."""
    target = f"ipv4:{','.join(addresses)}"
    settings = ("--handlers", HANDLERS, "--concurrency", "20", "--grace", "1s")
    queues = [flag for queue in LIMITS for flag in ("--queue", queue)]
    return Worker(
        language="python",
        name=name,
        command=(sys.executable, "-m", "gosynq_server", "worker", "--target", target, *settings, *queues),
        target=target,
        execute=execute,
        chronicle=chronicle,
    )


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Takes exact snapshots of all queues as fast as it can, and has them judged."""

    connection: asyncpg.Connection
    judge: LimitJudge = field(default_factory=LimitJudge)
    latest: Mapping[str, Look] = field(default_factory=dict)
    _is_stopping: bool = False
    _seen: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Take them until stopped."""
        while not self._is_stopping:
            rows = await self.connection.fetch(_LOOK)
            self.latest = {row["queue"]: Look(**row) for row in rows}
            self.judge.see(self.latest)
            async with self._seen:
                self._seen.notify_all()

    async def see(self, more: int) -> None:
        """Wait for so many more snapshots."""
        goal = self.judge.looks + more
        async with self._seen:
            await self._seen.wait_for(lambda: self.judge.looks >= goal)

    def stop(self) -> None:
        self._is_stopping = True


@dataclass(slots=True, kw_only=True)
class Limited:
    """The load, the changes and the pauses; reasons counts what calls about queues were answered with but well."""

    client: Client
    load: Load
    random: Random
    sampler: Sampler
    database: asyncpg.Connection
    pauses: list[Pause] = field(default_factory=list)
    changes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    _is_over: bool = False
    _is_filled: bool = False

    @classmethod
    @asynccontextmanager
    async def on(cls, database_url: str, client: Client, load: Load, random: Random) -> AsyncIterator[Limited]:
        """Give the queues their first limits, and connect to the database beside the servers."""
        async with AsyncExitStack() as stack:
            connections = []
            for _ in range(2):
                connections.append(await asyncpg.connect(database_url))
                stack.push_async_callback(connections[-1].close)
            sampler = Sampler(connection=connections[0])
            for queue, (limits, *_) in LIMITS.items():
                await client.queues.update(queue, create=True, limits=limits)
            yield cls(client=client, load=load, random=random, sampler=sampler, database=connections[1])

    async def run(self, until: Awaitable[None]) -> None:
        """Go on until something is over; then everything is resumed, and what is enqueued is left to be drained."""
        async with asyncio.TaskGroup() as sampling:
            sampling.create_task(self.sampler.run())
            await self.sampler.see(1)
            async with asyncio.TaskGroup() as producers:
                for queue in LIMITS.keys() - {ORDERED}:
                    producers.create_task(self._fill(queue))
                for number in range(_ORDERING_KEYS):
                    producers.create_task(self._line_up(f"line-{number}"))
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._change())
                    tasks.create_task(self._pause())
                    await until
                    self._is_over = True
                self._is_filled = True
            self.sampler.stop()

    async def _fill(self, queue: str) -> None:
        """Fill a queue at once whenever it is empty, after a quiet time in which it saves a burst of its rate."""
        number = 0
        while not self._is_filled:
            await asyncio.sleep(self.random.random() * _LONGEST_QUIET)
            if not self.sampler.latest[queue].waiting:
                async with asyncio.TaskGroup() as puts:
                    for _ in range(_BACKLOG):
                        puts.create_task(self.load.put(self._request(queue, queue, number)))
                        number += 1

    async def _line_up(self, name: str) -> None:
        """Enqueue jobs of one ordering key one after another, so that their ids are in order."""
        number = 0
        while not self._is_filled:
            await asyncio.sleep(_PACE)
            if self.sampler.latest[ORDERED].waiting < _BACKLOG:
                await self.load.put(self._request(ORDERED, name, number))
                number += 1

    def _request(self, queue: str, name: str, number: int) -> JobRequest:
        kind, payload, retries, deliveries = "slow", {"seconds": self.random.uniform(0.01, 0.1)}, None, None
        if queue == BOUNDED:
            retries, deliveries = 0, 1
        elif self.random.random() < _SHARE_FAILING:
            kind, payload, retries = "failing", {"failures": self.random.choice((1, 2, 9))}, 2
        elif queue in (PACED, HALTED):
            kind = "quick"
        concurrency_key = f"customer-{self.random.randrange(_CONCURRENCY_KEYS)}" if queue == KEYED else ""
        return JobRequest(
            kind,
            payload,
            queue=queue,
            idempotency_key=f"{name}-{number}",
            concurrency_key=concurrency_key,
            ordering_key=name if queue == ORDERED else "",
            max_retries=retries,
            max_deliveries=deliveries,
        )

    async def _change(self) -> None:
        """Change the limits of one queue after another, each through all that it may have."""
        while not self._is_over:
            await self.load.acknowledge(self.random.randrange(20, 80))
            turn, place = divmod(self.changes, len(CHANGED))
            queue = CHANGED[place]
            limits = LIMITS[queue][(turn + 1) % len(LIMITS[queue])]
            await self._done(partial(self.client.queues.update, queue, limits=limits))
            # No snapshot may miss a version: this one may be under way, the next one is not.
            await self.sampler.see(2)
            self.changes += 1

    async def _pause(self) -> None:
        """Pause a queue and resume it, again and again."""
        while not self._is_over:
            await self.load.acknowledge(self.random.randrange(5, 60))
            await self._done(partial(self.client.queues.pause, HALTED))
            before = await self.database.fetchval(_LEASES, HALTED)
            await self.load.acknowledge(self.random.randrange(1, 60))
            waiting = self.sampler.latest[HALTED].waiting
            started = await self.database.fetchval(_LEASES, HALTED) - before
            await self._done(partial(self.client.queues.resume, HALTED))
            self.pauses.append(Pause(queue=HALTED, waiting=waiting, started=started))

    async def _done(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call until it is known that it was done."""
        while True:
            try:
                await call()
            except GosynqError as error:
                reason = error.reason or error.code
                self.reasons[reason] += 1
                if reason not in TROUBLE | {STOPPING}:
                    raise
                await asyncio.sleep(_PACE)
            else:
                return
