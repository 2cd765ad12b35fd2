"""kill -9 of the embedded PostgreSQL under load, again and again, while the server stays."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_server.embedded.leftover import read_postmaster_pid
from tests.fault.checker import check, check_metrics
from tests.fault.conftest import Chronicle, Launch
from tests.fault.judging import LIMITS, POOL, TOO_LATE, TROUBLE, client_of, metrics_of, stop, tables_of
from tests.fault.load import Load, drain
from tests.fault.servers import ServerProcess

_KILLS = 10
_SERVING, _NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.timeout(120)
async def test_nothing_is_lost_or_done_twice_over_ten_kills_of_postgresql_and_the_server_recovers_by_itself(
    launch: Launch, data_dir: Path, chronicle: Chronicle, random: Random
) -> None:
    server = await (await launch("up", "--data-dir", str(data_dir), *POOL)).ready()
    async with client_of(server.addresses["grpc"]) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        async with asyncio.TaskGroup() as tasks:
            health = tasks.create_task(_watch_health(server))
            tasks.create_task(load.run())
            for _ in range(_KILLS):
                await load.acknowledge(random.randrange(20, 200))
                _kill_postmaster(data_dir)
            await load.acknowledge(20)
            load.stop()
        await drain(client)
    metrics = await metrics_of(server)
    await stop(server)
    tables, history = await tables_of(data_dir), chronicle.read()
    assert check(history, tables, LIMITS) == []
    assert check_metrics(metrics, history, tables) == []
    assert load.reasons["DATABASE_UNAVAILABLE"] > 0
    assert load.reasons.keys() <= TROUBLE | {TOO_LATE}
    assert health.result()[:3] == [_SERVING, _NOT_SERVING, _SERVING]


def _kill_postmaster(data_dir: Path) -> None:
    pid = read_postmaster_pid(data_dir / "data")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def _watch_health(server: ServerProcess) -> list[int]:
    """Watch until it serves again after it did not; return what was shown."""
    shown: list[int] = []
    async with grpc.aio.insecure_channel(server.addresses["health"]) as channel:
        async for answer in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()):
            shown.append(answer.status)
            if shown[-1] == _SERVING and _NOT_SERVING in shown:
                break
    return shown
