"""A server's operations put together over one database, and the ways in which tests look at it and pass its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

import asyncpg

from gosynq_client.worker.leases import Exchange, Lease, Result
from gosynq_client.worker.outcomes import AttemptError, Failed, Outcome
from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.domain.job import Job, JobId, JobSpec
from gosynq_server.domain.queue import QueueDefaults
from gosynq_server.maintenance.loop import repeat
from gosynq_server.pool.source import LocalLeaseSource, exchange_of
from gosynq_server.service.bulk_jobs import BulkJobs
from gosynq_server.service.dead_letters import DeadLetters
from gosynq_server.service.enqueue import Enqueuer
from gosynq_server.service.event_log import EventLog
from gosynq_server.service.event_pages import EventPages
from gosynq_server.service.event_tail import EventTail
from gosynq_server.service.firing import Firer
from gosynq_server.service.jobs import Jobs
from gosynq_server.service.leases import Leases, Taking
from gosynq_server.service.progress_feed import ProgressFeed
from gosynq_server.service.queue_removal import QueueRemoval
from gosynq_server.service.queue_verbs import QueueVerbs
from gosynq_server.service.queues import Queues
from gosynq_server.service.registrar import Registrar
from gosynq_server.service.roster import Roster
from gosynq_server.service.schedules import Schedules
from gosynq_server.service.superseding import Superseder
from gosynq_server.service.taking import Demand, OnCancel, Taker
from gosynq_server.service.ticker import Ticker
from gosynq_server.service.waits import Waits
from gosynq_server.service.wakeups import Deaf, Signal, Wakeups
from gosynq_server.service.watches import Watches
from gosynq_server.service.workers import Workers
from gosynq_server.store import statements
from gosynq_server.store.database import Database

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

WINDOW = timedelta(hours=24)
PATIENCE_SECONDS = 10.0
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
FAILED = Failed(error=AttemptError(type="Boom", message="no luck"))
FATAL = Failed(error=AttemptError(type="Boom", message="no luck", non_retryable=True))
TIMED_OUT = Failed(error=AttemptError(type="Late", message="too long"), timed_out=True)


class SpiedDatabase(Database):
    """A database that remembers which statements were run by themselves, and is away for some."""

    def __init__(self, dsn: str, **options: Any) -> None:
        super().__init__(dsn, **options)
        self.names: list[str] = []
        self.away: frozenset[str] = frozenset()
        self.refused = asyncio.Event()

    async def fetch(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        self.names.append(name)
        if name in self.away:
            self.refused.set()
            raise DatabaseUnavailable
        return await super().fetch(name, *arguments)


class Heard(Deaf):
    """A listener that remembers the queues that it was told of and the jobs that ended."""

    def __init__(self) -> None:
        self.ready: list[str] = []
        self.scheduled: list[str] = []
        self.finished: list[JobId] = []
        self.cancels: list[tuple[JobId, str]] = []
        self.voided: list[JobId] = []

    def jobs_ready(self, queue: str) -> None:
        self.ready.append(queue)

    def jobs_scheduled(self, queue: str) -> None:
        self.scheduled.append(queue)

    def jobs_finished(self, jobs: Any) -> None:
        self.finished += jobs

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        self.cancels.append((job, reason))
        if lease_lost:
            self.voided.append(job)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The operations, what they told, and a connection beside them for looking at tables."""

    url: str
    database: SpiedDatabase
    wakeups: Wakeups
    heard: Heard
    queues: Queues
    queue_verbs: QueueVerbs
    queue_removal: QueueRemoval
    waits: Waits
    enqueuer: Enqueuer
    jobs: Jobs
    bulk_jobs: BulkJobs
    dead_letters: DeadLetters
    leases: Leases
    ticker: Ticker
    tail: EventTail
    progress: ProgressFeed
    log: EventLog
    watches: Watches
    event_pages: EventPages
    workers: Workers
    registrar: Registrar
    roster: Roster
    schedules: Schedules
    firer: Firer
    sql: Connection

    @property
    def server_id(self) -> str:
        return self.registrar.server_id

    async def add(self, *, queue: str = "q", kind: str = "k", **spec: Any) -> JobId:
        """Add one job and return its id."""
        (added,) = await self.enqueuer.enqueue_all([JobSpec(queue=queue, kind=kind, **spec)])
        return JobId(added.job_id)

    async def exchange(
        self, *results: Result, wanted: int = 0, queue: str = "q", kinds: Sequence[str] = ("k",), worker: str = "w"
    ) -> Exchange:
        taking = Taking(worker_id=worker, kinds=kinds)
        return exchange_of(await self.leases.exchange(queue, results, taking, wanted=wanted), results)

    def source(
        self,
        *,
        leases: Leases | None = None,
        among: Sequence[str] = (),
        on_cancel: OnCancel = lambda job, reason, *, lease_lost: None,
    ) -> LocalLeaseSource:
        """Return a source of leases of the kind k, which hears what is told here."""
        held, demand = leases or self.leases, Demand(weights=dict.fromkeys(among, 1))
        taker = Taker(self.database, held, Taking(worker_id="pool", kinds=["k"]), demand, on_cancel=on_cancel)
        self.wakeups.add(taker)
        return LocalLeaseSource(held, taker)

    async def lease(self, wanted: int = 1, **where: Any) -> list[Lease]:
        return list((await self.exchange(wanted=wanted, **where)).leases)

    async def lease_one(self, **where: Any) -> Lease:
        (lease,) = await self.lease(1, **where)
        return lease

    async def started(self, **spec: Any) -> Lease:
        """Add one job and lease it."""
        await self.add(**spec)
        return await self.lease_one(queue=spec.get("queue", "q"))

    async def settle(self, lease: Lease, outcome: Outcome) -> Exchange:
        return await self.exchange(Result(lease=lease, outcome=outcome), queue=lease.queue)

    async def job(self, job_id: str) -> Job:
        return await self.jobs.get(job_id, with_content=True)

    async def stage(self, job_id: str) -> str | None:
        """Return the table that a job is in, or None."""
        stage: str | None = await self.sql.fetchval("SELECT stage FROM gosynq.jobs WHERE id = $1", job_id)
        return stage

    async def let_lease_run_out(self, lease: Lease, *, past_deadline: bool = False) -> None:
        """Pass the time of one lease."""
        await self.sql.execute(
            "UPDATE gosynq.running SET leased_at = leased_at - interval '1 day',"
            " lease_expires_at = lease_expires_at - interval '1 day',"
            " attempt_deadline = attempt_deadline - CASE WHEN $2 THEN interval '1 day' ELSE '0' END WHERE id = $1",
            lease.job_id,
            past_deadline,
        )

    def forget_settings(self) -> None:
        """Pass the time for which settings of queues are remembered."""
        self.queues._known.clear()  # noqa: SLF001 - the clock of its memory is not the database's

    async def make_due(self) -> None:
        """Pass the time of all scheduled jobs and make them ready."""
        await self.sql.execute("UPDATE gosynq.scheduled SET run_at = statement_timestamp() - interval '1 second'")
        for queue in await self.sql.fetch("SELECT DISTINCT queue FROM gosynq.scheduled"):
            await self.sql.fetch(statements.load("jobs_promote"), queue["queue"], 1000)


@asynccontextmanager
async def open_house(url: str, *, defaults: QueueDefaults | None = None) -> AsyncIterator[House]:
    """Put a server's operations together, committing what is enqueued and reading events until the block ends."""
    async with (
        SpiedDatabase(url) as database,
        Database(url, pool_size=3) as apart,
        asyncio.TaskGroup() as tasks,
    ):
        sql = await asyncpg.connect(url)
        house = _composed(database, apart, sql, defaults or QueueDefaults())
        parts = (
            house.enqueuer.run(),
            house.tail.run(),
            house.progress.run(),
            repeat(house.ticker, signal=house.ticker.signal),
        )
        running = [tasks.create_task(part) for part in parts]
        await asyncio.sleep(0)
        try:
            yield house
        finally:
            for task in running:
                task.cancel()
            await sql.close()


def _composed(database: SpiedDatabase, apart: Database, sql: Connection, defaults: QueueDefaults) -> House:
    wakeups, heard, ticked = Wakeups(), Heard(), Signal()
    ticker = Ticker(apart, ticked=ticked)
    tail = EventTail(apart, ticker, ticked=ticked)
    waits, log, progress = Waits(tail), EventLog(apart, tail), ProgressFeed(apart, tail)
    queues = Queues(database, defaults=defaults)
    registrar = Registrar(database, server_id=f"server-{id(database)}", tell=wakeups)
    for listener in (heard, waits, queues, registrar):
        wakeups.add(listener)
    wakeups.signal(ticker.signal)
    jobs = Jobs(database, queues, wakeups, waits, window=WINDOW)
    leases = Leases(database, queues, wakeups, window=WINDOW)
    enqueuer = Enqueuer(database, queues, wakeups, ticker, window=WINDOW)
    return House(
        url=database.dsn,
        database=database,
        wakeups=wakeups,
        heard=heard,
        queues=queues,
        queue_verbs=QueueVerbs(database, wakeups),
        queue_removal=QueueRemoval(database, wakeups),
        waits=waits,
        enqueuer=enqueuer,
        jobs=jobs,
        bulk_jobs=BulkJobs(database, queues, wakeups, window=WINDOW),
        dead_letters=DeadLetters(database, queues, jobs, wakeups),
        ticker=ticker,
        tail=tail,
        progress=progress,
        log=log,
        watches=Watches(log, tail, progress, jobs),
        event_pages=EventPages(log, tail, jobs),
        leases=leases,
        workers=Workers(database, queues, leases, jobs, wakeups, registrar),
        registrar=registrar,
        roster=Roster(database, tell=wakeups),
        schedules=Schedules(database, queues, enqueuer),
        firer=Firer(database, enqueuer, Superseder(queues, wakeups, window=WINDOW)),
        sql=sql,
    )


async def until_blocked_by(sql: Connection, pid: int) -> None:
    """Return once a session waits for a lock that the session of this pid holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await sql.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND $1 = ANY (pg_blocking_pids(pid)))", pid
        ):
            pass


async def overtaken(house: House, rival: str, arguments: Sequence[object], verb: Awaitable[Any]) -> Any:
    """Start a verb while a rival's statement holds the row, let the rival commit, and return what the verb came to.

    A refusal is returned, not raised.
    """
    connection = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks, connection.transaction():
            assert await connection.fetch(statements.load(rival), *arguments), f"{rival} moved nothing"
            running = tasks.create_task(_caught(verb))
            await until_blocked_by(house.sql, connection.get_server_pid())
        return running.result()
    finally:
        await connection.close()


async def _caught(verb: Awaitable[Any]) -> Any:
    try:
        return await verb
    except Exception as error:  # noqa: BLE001 - it is what the test looks at
        return error
