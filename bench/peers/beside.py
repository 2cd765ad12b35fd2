"""The figures of a peer: the same that are measured of this project, on the same PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from bench import processes
from bench.load import percentiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.peers.catalogue import Peer

_DEADLINE_SECONDS = 300.0
_PER_SECOND = 100
_POLL_SECONDS = 0.01


def bulk(peer: Peer, jobs: int) -> dict[str, float]:
    """Add jobs by calls of 1000, two at a time."""
    with _database(peer) as (_, dsn):
        return {"jobs/s": _ask(peer, "bulk", dsn=dsn, jobs=jobs)["per_second"]}


def drain(peer: Peer, jobs: int) -> dict[str, float]:
    """Run no-op jobs that were added beforehand, by one worker process, from the first's start until all are final."""
    with _database(peer) as (folder, dsn):
        _ask(peer, "bulk", dsn=dsn, jobs=jobs)
        asyncio.run(_settle(dsn))
        with _working(peer, folder, dsn=dsn, tuned_for="drain", jobs=jobs) as worker:
            began = worker()["first"]
            asyncio.run(_await_final(peer, dsn))
            ended = time.time_ns()
    return {"jobs/s": 1e9 * jobs / (ended - began)}


def latency(peer: Peer, jobs: int) -> dict[str, float]:
    """Milliseconds from the caller's call to the handler's first line, 100 jobs a second on an idle worker."""
    with (
        _database(peer) as (folder, dsn),
        _working(peer, folder, dsn=dsn, tuned_for="latency", jobs=1 + jobs) as worker,
    ):
        # Once this one is done, the worker is up.
        _ask(peer, "paced", dsn=dsn, jobs=1, per_second=_PER_SECOND)
        asyncio.run(_await_final(peer, dsn))
        _ask(peer, "paced", dsn=dsn, jobs=jobs, per_second=_PER_SECOND)
        _, *waits = worker()["waits"]
    measured = percentiles([wait / 1e9 for wait in waits])
    return {"p50 ms": measured["p50_ms"], "p99 ms": measured["p99_ms"]}


FIGURES = {"bulk": bulk, "drain": drain, "latency": latency}


@contextmanager
def _database(peer: Peer) -> Iterator[tuple[Path, str]]:
    """Run a new PostgreSQL with the peer's tables; give its folder and address."""
    with processes.data_dir() as folder, processes.postgres(folder) as dsn:
        _ask(peer, "install", dsn=dsn)
        yield folder, dsn


@contextmanager
def _working(peer: Peer, folder: Path, **order: object) -> Iterator[Callable[[], dict[str, Any]]]:
    """Run one worker process; give what waits until all its jobs have begun, and returns what it says of them."""
    report = folder / "report.json"
    with processes.process(_command(peer, "work", report=str(report), **order)) as process:
        yield lambda: processes.await_file(report, process, seconds=_DEADLINE_SECONDS)


def _ask(peer: Peer, verb: str, **order: object) -> dict[str, Any]:
    return processes.run_command(_command(peer, verb, **order))


def _command(peer: Peer, verb: str, **order: object) -> list[str]:
    return [*peer.adapter, verb, json.dumps(order)]


async def _settle(dsn: str) -> None:
    """Take away what adding the jobs has left to do."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("VACUUM ANALYZE")
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _await_final(peer: Peer, dsn: str) -> None:
    """Wait until all jobs are final."""
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while await connection.fetchval(peer.unfinished):  # noqa: ASYNC110 - it happens in other processes
            await asyncio.sleep(_POLL_SECONDS)
    await connection.close()
