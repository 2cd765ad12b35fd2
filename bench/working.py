"""The figures of workers that come over the wire."""

from __future__ import annotations

from typing import Any

from bench import processes


def work(streams: int, jobs: int) -> dict[str, float]:
    """Run no-op jobs that were enqueued beforehand, by workers on so many Work streams to one server process."""
    with processes.data_dir() as folder, processes.server(folder) as server:
        processes.load(server["grpc"], "batch", jobs, "work", "noop")
        before = processes.processor_seconds(server["pid"])
        measured: dict[str, Any] = processes.run("bench.workers", server["grpc"], "work", streams, jobs)
        spent = processes.processor_seconds(server["pid"]) - before
    return {"jobs/s": measured["per_second"], "server us a job": 1e6 * spent / jobs}
