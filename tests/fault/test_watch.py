"""Watches over two servers on one PostgreSQL, all of which are killed under load, again and again.

FAULT_TRANSITIONS says how many events there are to be at least: 20,000 unless said. 100,000 is the whole measure.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path
from random import Random
from typing import TypeAlias

import pytest

from tests.fault.checker import check
from tests.fault.conftest import Chronicle, Launch
from tests.fault.judging import LIMITS, TOO_LATE, TROUBLE, client_of
from tests.fault.load import Load, drain
from tests.fault.replicas import Replica, SharedPostgres
from tests.fault.tables import read_tables
from tests.fault.watched import Connection, Seen, check_watches
from tests.fault.watchers import LAST, ClientWatcher, Wanderer, seen_of

_STOPPING = frozenset({"SERVER_DRAINING", "CANCELLED"})
"""What calls may be answered with besides, where a server stops."""

_TRANSITIONS = int(os.environ.get("FAULT_TRANSITIONS", "20000"))
_UNTIL_INTERRUPTED = 2000
_WRITERS = 16
_RATE = 25.0

Interruption: TypeAlias = Callable[[], Awaitable[None]]


@pytest.mark.timeout(120 + _TRANSITIONS // 100)
async def test_all_watchers_are_given_every_event_once_and_in_one_order_over_kills_of_the_servers_and_of_postgresql(
    launch: Launch, data_dir: Path, chronicle: Chronicle, random: Random
) -> None:
    async with SharedPostgres.on(data_dir) as postgres, AsyncExitStack() as stack:
        replicas = [Replica(name, launch, chronicle, postgres.url) for name in ("one", "other")]
        await asyncio.gather(*(replica.start() for replica in replicas))
        await postgres.dawdle()
        one, other = [await stack.enter_async_context(client_of(replica.address)) for replica in replicas]
        loads = [
            Load(client=client, journal=chronicle.journal, random=random, prefix=f"{number}", rate=_RATE, in_flight=4)
            for number, client in zip(range(_WRITERS), cycle((one, other)), strict=False)
        ]
        watcher = ClientWatcher(client=one)
        wanderer = Wanderer(addresses=[replica.address for replica in reversed(replicas)], random=random)
        async with asyncio.TaskGroup() as watches:
            watches.create_task(watcher.run())
            watches.create_task(wanderer.run())
            await _write_and_interrupt(loads, watcher, _interruptions(replicas, postgres, random))
            await drain(other)
            await loads[0].enqueue(LAST, LAST, {})
        listed = [seen_of(event) async for event in other.events(page_size=1000)]
        await asyncio.gather(*(replica.stop() for replica in replicas))
        tables = await read_tables(postgres.url)
    watched = {"watcher": [_all(watcher.events)], "wanderer": wanderer.connections, "list": [_all(listed)]}
    _show(watcher, wanderer, loads)
    assert check_watches(watched, tables)[:10] == []
    assert check(chronicle.read(), tables, LIMITS)[:10] == []
    assert len(watcher.events) >= _TRANSITIONS
    assert watcher.answers + len(wanderer.connections) >= _TRANSITIONS // _UNTIL_INTERRUPTED
    assert {reason for load in loads for reason in load.reasons} <= TROUBLE | _STOPPING | {TOO_LATE}
    assert wanderer.reasons.keys() <= TROUBLE | _STOPPING


async def _write_and_interrupt(loads: Sequence[Load], watcher: ClientWatcher, ways: Iterator[Interruption]) -> None:
    """Have everybody write, and interrupt something again and again, until there were as many events as wanted."""
    async with asyncio.TaskGroup() as writing:
        for load in loads:
            writing.create_task(load.run())
        for count in range(_UNTIL_INTERRUPTED, _TRANSITIONS + 1, _UNTIL_INTERRUPTED):
            await watcher.until(count)
            await next(ways)()
        for load in loads:
            load.stop()


def _interruptions(replicas: Sequence[Replica], postgres: SharedPostgres, random: Random) -> Iterator[Interruption]:
    """Give all ways to interrupt in an order drawn by chance, and again in another."""
    ways = [postgres.kill, *(way for replica in replicas for way in (replica.kill, replica.restart))]
    while True:
        yield from random.sample(ways, len(ways))


def _all(events: Sequence[Seen]) -> Connection:
    return Connection(begin=0, events=events)


def _show(watcher: ClientWatcher, wanderer: Wanderer, loads: Sequence[Load]) -> None:
    """Write what the run was made of where pytest shows it."""
    repeats = sum(len(connection.events) for connection in wanderer.connections) - len(watcher.events)
    reasons = sum((load.reasons for load in loads), Counter[str]())
    sys.stdout.write(
        f"{len(watcher.events)} events; {watcher.answers} streams of the client, {len(wanderer.connections)} by hand "
        f"with {repeats} repeats, ended by {dict(wanderer.reasons)}; calls ended by {dict(reasons)}\n"
    )
