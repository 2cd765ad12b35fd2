"""The figures of workers that come over the wire."""

from __future__ import annotations

import asyncio
from typing import Any

from bench import processes, tables
from bench.figures import await_done


def work(streams: int, jobs: int) -> dict[str, float]:
    """Run no-op jobs that were enqueued beforehand, by workers on so many Work streams to one server process."""
    with processes.data_dir() as folder, processes.server(folder) as server:
        processes.load(server["grpc"], "batch", jobs, "work", "noop")
        before = processes.processor_seconds(server["pid"])
        measured: dict[str, Any] = processes.run("bench.workers", server["grpc"], "work", streams, jobs)
        spent = processes.processor_seconds(server["pid"]) - before
    return {"jobs/s": measured["per_second"], "server us a job": 1e6 * spent / jobs}


def work_latency(jobs: int) -> dict[str, float]:
    """Milliseconds from the caller's EnqueueJob to the handler's first line in gosynq worker, 100 jobs a second."""
    with (
        processes.data_dir() as folder,
        processes.server(folder) as server,
        processes.worker(folder, server["grpc"], "latency"),
    ):
        processes.load(server["grpc"], "paced", jobs, 100)
        await_done(folder, "latency", jobs)
        measured = asyncio.run(tables.start_latencies(folder, "latency"))
    return {"p50 ms": measured["p50_ms"], "p99 ms": measured["p99_ms"]}


def work_python(jobs: int) -> dict[str, float]:
    """Run no-op jobs that were enqueued beforehand, by one process of gosynq worker."""
    with processes.data_dir() as folder, processes.server(folder) as server:
        processes.load(server["grpc"], "batch", jobs, "drain", "noop")
        wide = ("--concurrency", "500", "--prefetch", "1000")
        with processes.worker(folder, server["grpc"], "drain", *wide):
            done, seconds = await_done(folder, "drain", jobs)
    return {"jobs/s": done / seconds}
