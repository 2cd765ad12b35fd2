"""kill -9 of the server under load, again and again, on the same data."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests.fault.checker import check
from tests.fault.conftest import Chronicle, Launch
from tests.fault.history import Step
from tests.fault.judging import LIMITS, POOL, TOO_LATE, TROUBLE, client_of, stop, tables_of
from tests.fault.load import Load, drain
from tests.fault.servers import ServerProcess, free_port

_KILLS = 10


@pytest.mark.timeout(120)
async def test_nothing_acknowledged_is_lost_and_nothing_completes_twice_over_ten_kills_of_the_server(
    launch: Launch, data_dir: Path, chronicle: Chronicle, random: Random
) -> None:
    port = str(free_port())
    command = ("up", "--data-dir", str(data_dir), "--grpc-port", port, *POOL)
    async with client_of(f"127.0.0.1:{port}") as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with asyncio.TaskGroup() as tasks:
            server = await launch(*command)
            tasks.create_task(load.run())
            for _ in range(_KILLS):
                await _kill_some_time(server, load, random)
                chronicle.journal.died(server.pid)
                server = await launch(*command)
            await server.ready()
            load.stop()
        await drain(client)
    await stop(server)
    tables, history = await tables_of(data_dir), chronicle.read()
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() <= TROUBLE | {TOO_LATE}
    assert any(run.end is None for run in history.runs()), "no kill met a handler at work"
    assert any(line.step is Step.UNKNOWN for line in history.client), "no kill met a call"


async def _kill_some_time(server: ServerProcess, load: Load, random: Random) -> None:
    """Kill a server in its start, once in four times, or else after it has acknowledged some more."""
    if random.random() < 0.25:
        with suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0.5, 2)):
                await server.ready()
    else:
        await server.ready()
        await load.acknowledge(random.randrange(20, 400))
    await server.kill()
