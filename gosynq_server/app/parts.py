"""The parts of a server, composed once, each given what it needs by name."""

from __future__ import annotations

import os
import platform
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from gosynq_client.worker.options import RuntimeOptions
from gosynq_client.worker.runtime import WorkerRuntime
from gosynq_server.app.attempts import observer
from gosynq_server.domain.queue import QueueDefaults
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicy
from gosynq_server.domain.worker import Subscription, WorkerMake, WorkerProfile
from gosynq_server.maintenance.admitter import Admitter
from gosynq_server.maintenance.counter import Counter
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.maintenance.remover import Remover
from gosynq_server.maintenance.rescuer import Rescuer
from gosynq_server.maintenance.sampler import Sampler
from gosynq_server.maintenance.scheduler import Scheduler
from gosynq_server.maintenance.stager import Stager
from gosynq_server.maintenance.sweeper import Sweeper
from gosynq_server.pool.member import Pool
from gosynq_server.pool.source import LocalLeaseSource
from gosynq_server.rpc.admin import ServerInfo
from gosynq_server.rpc.server import HealthServer, RpcOptions, Services, build_server
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
from gosynq_server.service.replicas import Replicas
from gosynq_server.service.roster import Roster
from gosynq_server.service.schedules import Schedules
from gosynq_server.service.superseding import Superseder
from gosynq_server.service.taking import Demand, Taker
from gosynq_server.service.ticker import Ticker
from gosynq_server.service.waits import Waits
from gosynq_server.service.wakeups import Signal, Wakeups
from gosynq_server.service.watches import Watches
from gosynq_server.service.workers import Workers
from gosynq_server.store.database import Database
from gosynq_server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from gosynq_client.worker.handlers import Handlers
    from gosynq_server.config import Config
    from gosynq_server.domain.job import JobId
    from gosynq_server.maintenance.loop import Round
    from gosynq_server.rpc.server import RpcServer

EVENT_RETENTION = timedelta(days=7)
_POLL_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What the servicers and the pool stand on, and the wake-ups that tie them together."""

    database: Database
    here: Wakeups
    everywhere: Wakeups
    replicas: Replicas
    queues: Queues
    queue_verbs: QueueVerbs
    queue_removal: QueueRemoval
    waits: Waits
    ticker: Ticker
    tail: EventTail
    progress: ProgressFeed
    enqueuer: Enqueuer
    jobs: Jobs
    bulk_jobs: BulkJobs
    dead_letters: DeadLetters
    leases: Leases
    registrar: Registrar
    roster: Roster
    schedules: Schedules
    firer: Firer


def new_server_id() -> str:
    """Name this process among its like."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def own_make() -> WorkerMake:
    """Say what a worker inside this process is made of."""
    return WorkerMake(
        sdk=f"gosynq {version('gosynq')}",
        language=f"python {platform.python_version()}",
        host=socket.gethostname(),
    )


def queue_defaults(config: Config) -> QueueDefaults:
    """Return what jobs get that neither they nor their queues say otherwise."""
    return QueueDefaults(
        max_retries=config.max_retries,
        max_deliveries=config.max_deliveries,
        retry_policy=RetryPolicy(
            strategy=BackoffStrategy(config.backoff_strategy),
            initial_backoff=config.backoff_initial,
            multiplier=config.backoff_multiplier,
            max_backoff=config.backoff_max,
            jitter=config.backoff_jitter,
        ),
        lease_duration=config.lease_duration,
        attempt_timeout=config.attempt_timeout,
        retention=config.retention,
        dead_letter_retention=config.dead_letter_retention,
        max_payload_bytes=config.max_payload_bytes,
    )


def compose_operations(config: Config, database: Database, metrics: Metrics, *, server_id: str) -> Operations:
    """Put the services together."""
    here, everywhere, ticked = Wakeups(), Wakeups(), Signal()
    ticker = Ticker(database, ticked=ticked)
    here.signal(ticker.signal)
    tail = EventTail(database, ticker, ticked=ticked, observe=metrics.events.read)
    waits = Waits(tail)
    here.add(waits)
    replicas = Replicas(database, server_id=server_id, here=here, on_tick=ticked.set)
    everywhere.add(here)
    everywhere.add(replicas)
    registrar = Registrar(database, server_id=server_id, tell=everywhere)
    here.add(registrar)
    queues = Queues(database, defaults=queue_defaults(config))
    here.add(queues)
    window = config.idempotency_window
    enqueuer = Enqueuer(database, queues, everywhere, ticker, window=window)
    jobs = Jobs(database, queues, everywhere, waits, window=window)
    return Operations(
        database=database,
        here=here,
        everywhere=everywhere,
        replicas=replicas,
        queues=queues,
        queue_verbs=QueueVerbs(database, everywhere),
        queue_removal=QueueRemoval(database, everywhere),
        waits=waits,
        ticker=ticker,
        tail=tail,
        progress=ProgressFeed(database, tail),
        enqueuer=enqueuer,
        jobs=jobs,
        bulk_jobs=BulkJobs(database, queues, everywhere, window=window),
        dead_letters=DeadLetters(database, queues, jobs, everywhere),
        leases=Leases(database, queues, everywhere, window=window),
        registrar=registrar,
        roster=Roster(database, tell=everywhere),
        schedules=Schedules(database, queues, enqueuer),
        firer=Firer(database, enqueuer, Superseder(queues, everywhere, window=window)),
    )


def compose_rpc(config: Config, operations: Operations, metrics: Metrics, *, server_id: str) -> RpcServer:
    """Put the gRPC server together; it is neither bound nor started."""
    info = ServerInfo(
        version=version("gosynq"),
        server_id=server_id,
        max_payload_bytes=config.max_payload_bytes,
        idempotency_window=config.idempotency_window,
        event_retention=EVENT_RETENTION,
        features=("stream-enqueue", "events", "workers"),
    )
    log = EventLog(operations.database, operations.tail)
    watches = Watches(log, operations.tail, operations.progress, operations.jobs)
    metrics.events.watch_by(lambda: watches.count, watches.furthest_behind)
    workers = Workers(
        operations.database,
        operations.queues,
        operations.leases,
        operations.jobs,
        operations.here,
        operations.registrar,
    )
    metrics.count_worker_sessions_by(lambda: workers.session_count)
    services = Services(
        enqueuer=operations.enqueuer,
        jobs=operations.jobs,
        watches=watches,
        event_pages=EventPages(log, operations.tail, operations.jobs),
        workers=workers,
        bulk_jobs=operations.bulk_jobs,
        dead_letters=operations.dead_letters,
        roster=operations.roster,
        schedules=operations.schedules,
        queues=operations.queue_verbs,
        queue_removal=operations.queue_removal,
        info=info,
    )
    return build_server(
        services, RpcOptions(reflection=config.reflection, observe=metrics.rpc_ended, watch_observer=metrics.events)
    )


def compose_health(rpc: RpcServer) -> HealthServer:
    """Put the server for probes together, over the same board."""
    return HealthServer(rpc.health)


def compose_maintenance(config: Config, operations: Operations, metrics: Metrics) -> list[tuple[Round, Signal | None]]:
    """Put the rounds of maintenance together, each with what wakes it early."""
    database, wakeups = operations.database, operations.everywhere
    due, placed = Signal(), Signal()
    stager = Stager(database, wakeups, signal=due)
    operations.here.add(stager)
    admitter = Admitter(database, wakeups, signal=placed)
    operations.here.add(admitter)

    return [
        (stager, due),
        (admitter, placed),
        (Scheduler(database, operations.firer), operations.schedules.changed),
        (operations.ticker, operations.ticker.signal),
        (Rescuer(operations.leases), None),
        (Sweeper(database, wakeups, window=config.idempotency_window, retention=config.retention), None),
        (Counter(database), None),
        (Remover(database, operations.queue_removal), None),
        (Pruner(database, event_retention=EVENT_RETENTION), None),
        (Sampler(database, metrics.queues), None),
        (operations.registrar, operations.registrar.signal),
    ]


def compose_pool(
    config: Config, handlers: Handlers, operations: Operations, metrics: Metrics, *, worker_id: str
) -> Pool:
    """Put the pool together: the workers' runtime over leases of this server's own."""

    def cancel(job: JobId, reason: str, *, lease_lost: bool) -> None:  # noqa: ARG001 - its handler ends either way
        runtime.cancel(job, reason)

    taker = Taker(
        operations.database,
        operations.leases,
        Taking(worker_id=worker_id, kinds=sorted(handlers.kinds)),
        Demand(weights=dict.fromkeys(config.queues, 1)),
        on_cancel=cancel,
    )
    runtime = WorkerRuntime(
        LocalLeaseSource(operations.leases, taker),
        handlers,
        RuntimeOptions(
            concurrency=config.concurrency,
            prefetch_limit=config.prefetch,
            poll_interval=_POLL_INTERVAL,
            grace=config.grace,
        ),
        observe=observer(metrics.attempt_ended),
    )
    operations.here.add(taker)
    metrics.count_active_workers_by(lambda: runtime.active)
    profile = WorkerProfile(
        worker_id=worker_id,
        subscriptions=tuple(Subscription(queue=queue) for queue in config.queues),
        kinds=sorted(handlers.kinds),
        make=own_make(),
    )
    return Pool(runtime, profile, concurrency=config.concurrency)
