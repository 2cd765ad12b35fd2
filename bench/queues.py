"""The figures of queues under control: what limits and keys cost the drain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bench import processes, tables
from bench.figures import WIDE_POOL, await_done

if TYPE_CHECKING:
    from collections.abc import Mapping

_FREE: Mapping[str, object] = {}
_LIMITED = {"max_concurrency": 1_000_000, "max_leases_per_second": 1_000_000.0}
_HELD = {"max_concurrency_per_key": 50}


def limited(jobs: int) -> dict[str, float]:
    """Drain a queue without limits, and one with a concurrency and a rate that hold nothing up."""
    return _beside("limited", _drained(jobs, _FREE), _drained(jobs, _LIMITED))


def fair(jobs: int, keys: int) -> dict[str, float]:
    """Drain jobs without fairness keys, and as many with so many of them, served in turn."""
    return _beside("fair", _drained(jobs, _FREE), _drained(jobs, _FREE, fairness_keys=keys))


def held(jobs: int, keys: int) -> dict[str, float]:
    """Drain jobs without concurrency keys, and as many with so many of them, 50 of each at once."""
    return _beside("held", _drained(jobs, _FREE), _drained(jobs, _HELD, concurrency_keys=keys))


def _beside(name: str, free: float, held_up: float) -> dict[str, float]:
    return {"free jobs/s": free, f"{name} jobs/s": held_up, f"{name} / free": held_up / free}


def _drained(jobs: int, settings: Mapping[str, object], *, fairness_keys: int = 0, concurrency_keys: int = 0) -> float:
    """Run no-op jobs that wait already, by one server process; return how many a second."""
    with processes.data_dir() as folder:
        with processes.server(folder):
            if concurrency_keys:
                asyncio.run(tables.fill_held(folder, "drain", jobs, concurrency_keys=concurrency_keys))
            else:
                asyncio.run(tables.fill(folder, "drain", jobs, fairness_keys=fairness_keys))
            asyncio.run(tables.set_queue(folder, "drain", settings))
        with processes.server(folder, *WIDE_POOL):
            done, seconds = await_done(folder, "drain", jobs)
    return done / seconds
