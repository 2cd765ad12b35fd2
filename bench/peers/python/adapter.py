"""What an adapter in Python is asked and answers: python -m bench.peers.python.on_PEER VERB ORDER."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import uvloop

BATCH = 1000
_CONCURRENT_BATCHES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an adapter is told: the database, what the worker is tuned for, how many jobs, and where to report."""

    dsn: str
    tuned_for: str = ""
    jobs: int = 0
    per_second: float = 0.0
    report: str = ""


class Producer(Protocol):
    """A client of the peer; a job's argument is when it was sent, in nanoseconds since the epoch."""

    async def enqueue(self, sent: int) -> None:
        """Add one job."""
        ...

    async def enqueue_many(self, sent: Sequence[int]) -> None:
        """Add a job for each moment by one call."""
        ...


class Peer(Protocol):
    """A job system."""

    async def install(self, dsn: str) -> None:
        """Make its tables."""
        ...

    def producer(self, dsn: str) -> AbstractAsyncContextManager[Producer]:
        """Give a client."""
        ...

    async def work(self, order: Order, began: Callable[[int], None]) -> None:
        """Run a worker until terminated, whose handler does nothing but tell when its job was sent."""
        ...


@dataclass(slots=True, kw_only=True)
class Record:
    """When the first handler began, and how long jobs waited for theirs; reported once all have begun."""

    order: Order
    first: int = 0
    count: int = 0
    waits: list[int] = field(default_factory=list)

    def began(self, sent: int) -> None:
        """Note the first line of a handler; waits only where they are wanted, so as not to be measured."""
        if not self.count:
            self.first = time.time_ns()
        self.count += 1
        if self.order.tuned_for == "latency":
            self.waits.append(time.time_ns() - sent)
        if self.count == self.order.jobs:
            report(self.order, {"first": self.first, "waits": self.waits})


def report(order: Order, told: dict[str, Any]) -> None:
    """Write a report that is there whole or not at all."""
    part = Path(f"{order.report}.part")
    part.write_text(json.dumps(told))
    part.rename(order.report)


async def _install(peer: Peer, order: Order) -> dict[str, Any]:
    await peer.install(order.dsn)
    return {}


async def _bulk(peer: Peer, order: Order) -> dict[str, Any]:
    """Add jobs by calls of 1000, two at a time."""
    turns = asyncio.Semaphore(_CONCURRENT_BATCHES)
    async with peer.producer(order.dsn) as producer:

        async def call() -> None:
            async with turns:
                await producer.enqueue_many([time.time_ns() for _ in range(BATCH)])

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(order.jobs // BATCH):
                group.create_task(call())
        return {"per_second": order.jobs / (time.perf_counter() - began)}


async def _paced(peer: Peer, order: Order) -> dict[str, Any]:
    """Add jobs one at a time at a steady pace."""
    async with peer.producer(order.dsn) as producer:
        began = time.perf_counter()
        for number in range(order.jobs):
            await asyncio.sleep(max(0.0, began + number / order.per_second - time.perf_counter()))
            await producer.enqueue(time.time_ns())
        return {"per_second": order.jobs / (time.perf_counter() - began)}


async def _work(peer: Peer, order: Order) -> dict[str, Any]:
    await peer.work(order, Record(order=order).began)
    return {}


VERBS: dict[str, Callable[[Peer, Order], Awaitable[dict[str, Any]]]] = {
    "install": _install,
    "bulk": _bulk,
    "paced": _paced,
    "work": _work,
}


async def _answer(peer: Peer, verb: str, order: Order) -> None:
    sys.stdout.write(json.dumps(await VERBS[verb](peer, order)))


def main(peer: Peer) -> None:
    """Do what the command line asks; the answer is one JSON object."""
    _, verb, order = sys.argv
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer(peer, verb, Order(**json.loads(order))))
