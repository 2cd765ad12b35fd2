"""What a worker in a process of its own can be told, beside where its server is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from gosynq_server.config.client import ClientConfig
from gosynq_server.config.paths import FileToWrite
from gosynq_server.config.rules import Choice, Length, Several, Text, Whole
from gosynq_server.config.settings import Means
from gosynq_server.config.shares import QueueShare, Share

_PORT = Whole(0, 65535)
_WORKER_ID = Text(
    "1 to 128 letters, digits and _.@-, the first a letter or digit", pattern=r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig(ClientConfig):
    """All that a worker is told. The kinds that it takes are those that its handlers are for."""

    handlers: Annotated[
        tuple[str, ...], Means(Several(Text("MODULE or MODULE:NAME")), "MODULE[:NAME] with job handlers; repeatable.")
    ] = ()
    queues: Annotated[
        tuple[QueueShare, ...],
        Means(
            Several(Share()),
            "NAME[:WEIGHT], a queue to take from and its share when several have due jobs; repeatable.",
            flag="--queue",
        ),
    ] = ()
    concurrency: Annotated[int, Means(Whole(1, 1000), "Attempts that run at the same time at most.")] = 10
    prefetch: Annotated[
        int, Means(Whole(1, 1000), "Leases held at most, those beyond concurrency only while jobs are very short.")
    ] = 500
    worker_id: Annotated[str | None, Means(_WORKER_ID, "Names this process among all workers; made up by default.")] = (
        None
    )
    build: Annotated[
        str,
        Means(Text("a text of at most 128 characters", pattern=".{1,128}"), "The application's version, to be shown."),
    ] = ""

    host: Annotated[str, Means(Text("a host name or address"), "The address that both ports are bound on.")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[int, Means(_PORT, "The port of /metrics; 0 picks a free one.")] = 0
    health_port: Annotated[int, Means(_PORT, "The port of gRPC health checks; 0 picks a free one.")] = 0
    ready_file: Annotated[
        Path | None, Means(FileToWrite(), "Gets one JSON object with the bound addresses once a server has answered.")
    ] = None

    grace: Annotated[
        timedelta, Means(Length(timedelta(), timedelta(hours=1)), "How long running attempts may go on at a stop.")
    ] = timedelta(seconds=25)

    log_level: Annotated[str, Means(Choice(("debug", "info", "warning", "error")), "What is logged.")] = "info"
    log_format: Annotated[
        str, Means(Choice(("auto", "json", "text")), "How it is logged; auto: text to a terminal, else JSON.")
    ] = "auto"
