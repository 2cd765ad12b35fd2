"""What a server can be told, with the defaults: the table that flags, environment and file are read by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from gosynq_server.config.addresses import DatabaseUrl
from gosynq_server.config.paths import FileToWrite, Location
from gosynq_server.config.rules import Choice, Length, Real, Several, Switch, Text, Whole
from gosynq_server.config.settings import Means
from gosynq_server.config.shares import NAME_OF_QUEUE

_PORT = Whole(0, 65535)
_YEAR = timedelta(days=365)
_HANDLERS = Text("MODULE or MODULE:NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that a server is told. What concerns jobs is a default that a queue and a job may override."""

    database_url: Annotated[
        str | None, Means(DatabaseUrl(), "PostgreSQL's URL; without one the embedded database serves.", secret=True)
    ] = field(default=None, repr=False)
    data_dir: Annotated[
        Path | None,
        Means(
            Location(),
            "The embedded database's folder, made if missing; without one ~/.local/state/gosynq/embedded, "
            "or /var/lib/gosynq/embedded for root.",
        ),
    ] = None
    auto_migrate: Annotated[bool, Means(Switch(), "Migrate the database at the start; the embedded one always is.")] = (
        False
    )
    pool_size: Annotated[int, Means(Whole(3, 1000), "Connections to the database at most.")] = 10

    host: Annotated[str, Means(Text("a host name or address"), "The address that all ports are bound on.")] = (
        "127.0.0.1"
    )
    grpc_port: Annotated[int, Means(_PORT, "The port of gRPC; 0 picks a free one.")] = 50051
    http_port: Annotated[int, Means(_PORT, "The port of REST; 0 picks a free one.")] = 8080
    metrics_port: Annotated[int, Means(_PORT, "The port of /metrics; 0 picks a free one.")] = 9090
    health_port: Annotated[int, Means(_PORT, "The port of gRPC health checks; 0 picks a free one.")] = 50052
    ready_file: Annotated[
        Path | None, Means(FileToWrite(), "Gets one JSON object with the bound addresses once all of them serve.")
    ] = None
    reflection: Annotated[bool, Means(Switch(), "Let gRPC clients ask which services there are.")] = True

    handlers: Annotated[
        tuple[str, ...], Means(Several(_HANDLERS), "MODULE[:NAME] with job handlers to run here; repeatable.")
    ] = ()
    queues: Annotated[
        tuple[str, ...],
        Means(Several(NAME_OF_QUEUE), "The queues that jobs are run from, all by default; repeatable.", flag="--queue"),
    ] = ()
    concurrency: Annotated[int, Means(Whole(1, 10_000), "Attempts that run at the same time at most.")] = 10
    prefetch: Annotated[int, Means(Whole(1, 10_000), "Jobs leased in one round trip at most.")] = 500

    lease_duration: Annotated[
        timedelta,
        Means(Length(timedelta(seconds=1), timedelta(hours=12)), "How long a lease lasts without a heartbeat."),
    ] = timedelta(seconds=30)
    attempt_timeout: Annotated[
        timedelta | None,
        Means(Length(timedelta(seconds=1), timedelta(days=7)), "How long one attempt may take; no limit by default."),
    ] = None
    max_retries: Annotated[int, Means(Whole(0, 1000), "How often a failed attempt is tried again.")] = 4
    max_deliveries: Annotated[
        int, Means(Whole(1, 1000), "How many leases of a job may end without a word from their worker.")
    ] = 5
    backoff_strategy: Annotated[
        str, Means(Choice(("fixed", "exponential")), "The shape of the delay between attempts.")
    ] = "exponential"
    backoff_initial: Annotated[
        timedelta, Means(Length(timedelta(), timedelta(days=1)), "The delay before the first retry.")
    ] = timedelta(seconds=5)
    backoff_multiplier: Annotated[float, Means(Real(1, 10), "How the delay grows from retry to retry.")] = 2.0
    backoff_max: Annotated[timedelta, Means(Length(timedelta(), timedelta(days=7)), "The longest delay.")] = timedelta(
        hours=1
    )
    backoff_jitter: Annotated[float, Means(Real(0, 1), "The part of the delay that is random.")] = 0.2
    retention: Annotated[
        timedelta, Means(Length(timedelta(), _YEAR), "How long completed and cancelled jobs are kept.")
    ] = timedelta(hours=24)
    dead_letter_retention: Annotated[timedelta, Means(Length(timedelta(), _YEAR), "How long failed jobs are kept.")] = (
        timedelta(days=14)
    )
    idempotency_window: Annotated[
        timedelta, Means(Length(timedelta(), _YEAR), "How long an idempotency key is held after its job's end.")
    ] = timedelta(hours=24)
    max_payload_bytes: Annotated[int, Means(Whole(0, 3_145_728), "The largest payload in bytes.")] = 262_144

    grace: Annotated[
        timedelta, Means(Length(timedelta(), timedelta(hours=1)), "How long running attempts may go on at a stop.")
    ] = timedelta(seconds=25)
    drain_delay: Annotated[
        timedelta,
        Means(Length(timedelta(), timedelta(minutes=5)), "How long to serve on at a stop, so that balancers notice."),
    ] = timedelta()

    log_level: Annotated[str, Means(Choice(("debug", "info", "warning", "error")), "What is logged.")] = "info"
    log_format: Annotated[
        str, Means(Choice(("auto", "json", "text")), "How it is logged; auto: text to a terminal, else JSON.")
    ] = "auto"
