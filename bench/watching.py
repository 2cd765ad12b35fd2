"""The figures of events: what writing them costs, and how soon and how fast they reach those who watch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bench import processes
from bench.figures import POOL, WIDE_POOL, await_done
from bench.watchers import Asked

if TYPE_CHECKING:
    from pathlib import Path

_EVENTS_OF_A_RUN = 2
_EVENTS_OF_A_JOB = 3
_WATCHERS_BESIDE_STALLED = 100


def event_cost(jobs: int) -> dict[str, float]:
    """Drain no-op jobs by a server that writes no events, by one that does, and with one watcher of all of them.

    The time is what the server and its database take of the processors: it says more than the rate where others work.
    """
    bare = _drained(jobs, module="bench.eventless")
    ours = _drained(jobs)
    watched = _drained(jobs, is_watched=True)
    legs = {"without": bare, "with": ours, "watched": watched}
    return {
        **{f"{name} {value}": number for name, leg in legs.items() for value, number in leg.items()},
        "with / without, jobs/s": ours["jobs/s"] / bare["jobs/s"],
        "with / without, us": ours["us a job"] / bare["us a job"],
        "watched / without, us": watched["us a job"] / bare["us a job"],
    }


def _drained(jobs: int, *, module: str = processes.SERVER, is_watched: bool = False) -> dict[str, float]:
    with processes.data_dir() as folder:
        with processes.server(folder, module=module) as addresses:
            processes.load(addresses["grpc"], "batch", jobs, "drain", "noop")
        asked = Asked(queue="drain", events=_EVENTS_OF_A_RUN * jobs, since=time.time())
        with processes.server(folder, *WIDE_POOL, module=module) as server:
            if not is_watched:
                return _rates(folder, server, jobs)
            with processes.watchers(folder, server["grpc"], asked) as watching:
                return {**_rates(folder, server, jobs), "events/s": watching()["per_second"]}


def _rates(folder: Path, server: dict[str, Any], jobs: int) -> dict[str, float]:
    before = processes.family_seconds(server["pid"])
    done, seconds = await_done(folder, "drain", jobs)
    spent = processes.family_seconds(server["pid"]) - before
    return {"jobs/s": done / seconds, "us a job": 1e6 * spent / jobs}


def watch_lag(per_second: int, seconds: int) -> dict[str, float]:
    """Milliseconds from an event's timestamp to a client that watches, so many events a second, by no-op jobs."""
    return _steady(per_second, seconds)


def watch_stalled(per_second: int, seconds: int) -> dict[str, float]:
    """Measure the same for a hundred watchers, half of the time beside one that reads nothing, by turns."""
    return _steady(per_second, seconds, watchers=_WATCHERS_BESIDE_STALLED, stalled=1)


def _steady(per_second: int, seconds: int, *, watchers: int = 1, stalled: int = 0) -> dict[str, float]:
    jobs = per_second * seconds // _EVENTS_OF_A_JOB
    asked = Asked(
        queue="steady", events=jobs * _EVENTS_OF_A_JOB, watchers=watchers, stalled=stalled, batch=1000, lags=True
    )
    with (
        processes.data_dir() as folder,
        processes.server(folder, *POOL) as server,
        processes.watchers(folder, server["grpc"], asked) as watching,
    ):
        before = _taken(server)
        processes.load(server["grpc"], "steady", jobs, per_second / _EVENTS_OF_A_JOB)
        measured = watching()
        after = _taken(server)
    beside = {"ratio p99": measured["beside_p99_ms"] / measured["p99_ms"]} if stalled else {}
    return {
        "p50 ms": measured["p50_ms"],
        "p99 ms": measured["p99_ms"],
        **beside,
        "events/s": measured["per_second"],
        "server cores": (after["seconds"] - before["seconds"]) / seconds,
        "server grew MiB": (after["bytes"] - before["bytes"]) / 2**20,
    }


def _taken(server: dict[str, Any]) -> dict[str, float]:
    pid = server["pid"]
    return {"seconds": processes.processor_seconds(pid), "bytes": processes.resident_bytes(pid)}


def watch_fan_out(watchers: int, jobs: int) -> dict[str, float]:
    """Events a second that watchers get together, of jobs that are added as fast as it goes."""
    asked = Asked(queue="fan-out", events=jobs, watchers=watchers)
    with (
        processes.data_dir() as folder,
        processes.server(folder) as server,
        processes.watchers(folder, server["grpc"], asked) as watching,
    ):
        before = processes.processor_seconds(server["pid"])
        processes.load(server["grpc"], "batch", jobs, "fan-out", "none")
        measured = watching()
        spent = processes.processor_seconds(server["pid"]) - before
    return {
        "events/s": measured["per_second"],
        "responses/s": measured["responses_per_second"],
        "server us a response": 1e6 * spent / measured["responses"],
    }
