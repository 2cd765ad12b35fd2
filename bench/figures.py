"""The figures: each starts what it needs, measures once, and gives numbers by name."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench import processes, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

POOL = ("--handlers", "bench.handlers")
WIDE_POOL = (*POOL, "--concurrency", "500", "--prefetch", "2000")
_UNARY_SECONDS = 4
_FEW = 6_000
_FETCHES = 500
_DRAIN_DEADLINE_SECONDS = 300.0


def unary(in_flight: int) -> dict[str, float]:
    """EnqueueJob with so many calls in flight, beside an RPC here that asks no database, and one of a bare server."""
    with processes.data_dir() as folder:
        with processes.nothing_server(folder) as bare:
            nothing = _load_unary(bare, "unary", in_flight)
        with processes.server(folder) as addresses:
            idle = _load_unary(addresses, "info", in_flight)
            ours = _load_unary(addresses, "unary", in_flight)
    return {
        "enqueue/s": ours["per_second"],
        "info/s": idle["per_second"],
        "bare/s": nothing["per_second"],
        "enqueue / info": ours["per_second"] / idle["per_second"],
        "enqueue / bare": ours["per_second"] / nothing["per_second"],
        "p50 ms": ours["p50_ms"],
        "p99 ms": ours["p99_ms"],
        "enqueue server us": ours["server_us"],
        "info server us": idle["server_us"],
        "bare server us": nothing["server_us"],
    }


def _load_unary(server: dict[str, Any], figure: str, in_flight: int) -> dict[str, float]:
    """Load a server with unary calls, and tell also how much processor time each took it."""
    before = processes.processor_seconds(server["pid"])
    measured = processes.load(server["grpc"], figure, in_flight, _UNARY_SECONDS)
    spent = processes.processor_seconds(server["pid"]) - before
    return {**measured, "server_us": 1e6 * spent / (measured["per_second"] * _UNARY_SECONDS)}


def batch(jobs: int) -> dict[str, float]:
    """BatchEnqueueJobs of 1000, two at a time."""
    with _served() as (_, addresses):
        return {"jobs/s": processes.load(addresses["grpc"], "batch", jobs, "idle", "none")["per_second"]}


def stream(jobs: int) -> dict[str, float]:
    """StreamEnqueueJobs in messages of 100."""
    with _served() as (_, addresses):
        return {"jobs/s": processes.load(addresses["grpc"], "stream", jobs)["per_second"]}


def drain(jobs: int) -> dict[str, float]:
    """Run no-op jobs that were enqueued beforehand, by one server process."""
    with processes.data_dir() as folder:
        with processes.server(folder) as addresses:
            processes.load(addresses["grpc"], "batch", jobs, "drain", "noop")
        with processes.server(folder, *WIDE_POOL):
            done, seconds = await_done(folder, "drain", jobs)
    return {"jobs/s": done / seconds}


def latency(jobs: int) -> dict[str, float]:
    """Milliseconds from the caller's EnqueueJob to the handler's first line, 100 jobs a second on an idle server."""
    with _served(*POOL) as (folder, addresses):
        processes.load(addresses["grpc"], "paced", jobs, 100)
        await_done(folder, "latency", jobs)
        measured = asyncio.run(tables.start_latencies(folder, "latency"))
    return {"p50 ms": measured["p50_ms"], "p99 ms": measured["p99_ms"]}


def backlog(pending: int) -> dict[str, float]:
    """Milliseconds to lease 10 jobs with a few thousand pending in one database, and with many in another."""
    with _served() as (few, _), _served() as (many, _):
        asyncio.run(tables.fill(few, "backlog", _FEW))
        asyncio.run(tables.fill(many, "backlog", pending))
        costs = asyncio.run(tables.fetch_costs((few, many), "backlog", rounds=_FETCHES, wanted=10))
    return _told_apart("few", "many", costs)


def backlog_by_kind(pending: int) -> dict[str, float]:
    """Milliseconds to lease 5 jobs of a kind alone in its queue, and behind many of another kind."""
    with _served() as (alone, _), _served() as (behind, _):
        asyncio.run(tables.fill(behind, "backlog", pending, kind="other"))
        for folder in (alone, behind):
            asyncio.run(tables.fill(folder, "backlog", _FEW, kind="wanted", priorities=1))
        costs = asyncio.run(tables.fetch_costs((alone, behind), "backlog", rounds=_FETCHES, wanted=5, kind="wanted"))
    return _told_apart("alone", "behind", costs)


def _told_apart(without: str, with_backlog: str, costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    first, second = costs
    return {
        f"{without} p50 ms": first["p50_ms"],
        f"{without} p99 ms": first["p99_ms"],
        f"{with_backlog} p50 ms": second["p50_ms"],
        f"{with_backlog} p99 ms": second["p99_ms"],
        "ratio p99": second["p99_ms"] / first["p99_ms"],
    }


@contextmanager
def _served(*flags: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    with processes.data_dir() as folder, processes.server(folder, *flags) as addresses:
        yield folder, addresses


def await_done(folder: Path, queue: str, jobs: int) -> tuple[int, float]:
    """Wait until so many jobs of a queue completed; return how many, and in how many seconds."""
    end = time.monotonic() + _DRAIN_DEADLINE_SECONDS
    done, seconds = 0, 0.0
    while done < jobs:
        if time.monotonic() > end:
            raise RuntimeError(f"only {done} of {jobs} jobs of {queue} were done in time")
        time.sleep(0.5)
        done, seconds = asyncio.run(tables.ran(folder, queue))
    return done, seconds
