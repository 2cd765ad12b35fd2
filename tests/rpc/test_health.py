"""Health is told for the process, for its readiness and for each service, and lets a stopping server go."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_server.rpc.health import LIVENESS, OVERALL, READINESS
from gosynq_server.rpc.server import SERVICES, HealthServer, RpcServer
from tests.rpc.refusals import refusal_of

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
NAMES = (OVERALL, READINESS, *SERVICES)


async def statuses(channel: Any) -> dict[str, int]:
    check = health_pb2_grpc.HealthStub(channel).Check
    return {name: (await check(health_pb2.HealthCheckRequest(service=name))).status for name in (LIVENESS, *NAMES)}


async def test_a_server_lives_before_it_is_ready(channel: Any) -> None:
    assert await statuses(channel) == {LIVENESS: SERVING} | dict.fromkeys(NAMES, NOT_SERVING)


async def test_a_ready_server_serves_each_service(channel: Any, server: RpcServer) -> None:
    await server.health.set_ready(True)
    assert await statuses(channel) == dict.fromkeys((LIVENESS, *NAMES), SERVING)

    await server.health.set_ready(False)
    assert await statuses(channel) == {LIVENESS: SERVING} | dict.fromkeys(NAMES, NOT_SERVING)


async def test_a_draining_server_is_never_ready_again(channel: Any, server: RpcServer) -> None:
    await server.health.set_ready(True)
    await server.health.drain()
    await server.health.set_ready(True)

    assert await statuses(channel) == {LIVENESS: SERVING} | dict.fromkeys(NAMES, NOT_SERVING)


async def test_a_name_that_nobody_knows_is_not_found(channel: Any) -> None:
    stub = health_pb2_grpc.HealthStub(channel)

    assert (await refusal_of(stub.Check(health_pb2.HealthCheckRequest(service="nobody")))).code == "NOT_FOUND"


async def test_a_watch_follows_and_does_not_hold_up_the_stop(channel: Any, server: RpcServer) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=READINESS))
    async with asyncio.timeout(5):
        assert (await watch.read()).status == NOT_SERVING
        await server.health.set_ready(True)
        assert (await watch.read()).status == SERVING
        await server.stop(timedelta(seconds=60))
        assert (await watch.read()).status == NOT_SERVING
        assert await watch.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_watch_ends_when_its_caller_goes(channel: Any, server: RpcServer) -> None:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=READINESS))
    async with asyncio.timeout(5):
        await watch.read()
        watch.cancel()
        await server.health.set_ready(True)

    assert (await statuses(channel))[READINESS] == SERVING


@pytest.fixture
async def health_target(server: RpcServer) -> AsyncIterator[str]:
    """Give the address of a health server, which has the board of a server that has not started."""
    health = HealthServer(server.health)
    port = health.bind("127.0.0.1:0")
    await health.start()
    yield f"127.0.0.1:{port}"
    await health.stop()
    await health.stop()


async def test_a_health_server_shows_the_same_board_and_nothing_else(health_target: str, server: RpcServer) -> None:
    async with grpc.aio.insecure_channel(health_target) as channel:
        assert (await statuses(channel))[OVERALL] == NOT_SERVING
        await server.health.set_ready(True)
        assert (await statuses(channel))[OVERALL] == SERVING
        unserved: Any = channel.unary_unary("/gosynq.v1.JobService/GetJob")
        refusal = await refusal_of(unserved(b""))

    assert refusal.code == "UNIMPLEMENTED"


@pytest.fixture
def probe() -> str:
    """Give the program that Kubernetes' own probe is modelled on, or skip; on the build machine it has to be there."""
    found = shutil.which("grpc-health-probe") or shutil.which("grpc_health_probe")
    if found is None:
        assert not os.environ.get("CI"), "grpc-health-probe is not on the path"
        pytest.skip("grpc-health-probe is not on the path")
    return str(Path(found))


@pytest.mark.parametrize(("name", "healthy"), [(LIVENESS, True), (READINESS, False), ("nobody", False)])
async def test_a_probe_goes_by_the_board(probe: str, health_target: str, name: str, *, healthy: bool) -> None:
    result = await asyncio.to_thread(
        subprocess.run, [probe, f"-addr={health_target}", f"-service={name}"], capture_output=True, check=False
    )

    assert (result.returncode == 0) is healthy, result.stderr
