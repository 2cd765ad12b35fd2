"""One server over one database, and the ways in which it, or its database, is told of jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.contract.enqueue.ways import ByGrpc, ByRest, BySql, Way
from tests.rpc.real import services_of
from tests.service.house import House, open_house
from tests.service.invariants import check_invariants


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """Give a server's operations; whatever a test did, the invariants hold after it."""
    async with open_house(database_url) as opened:
        yield opened
        await check_invariants(opened.sql)


@pytest.fixture
async def ways(house: House, tmp_path: Path) -> AsyncIterator[dict[str, Way]]:
    """Give every way by its name."""
    server = build_server(services_of(house), RpcOptions())
    address = f"unix:{tmp_path / 'grpc.sock'}"
    server.bind(address)
    await server.start()
    async with open_channel(address) as channel:
        transport = httpx.ASGITransport(app=build_app(channel), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            yield {"sql": BySql(house.sql), "grpc": ByGrpc(JobServiceStub(channel)), "rest": ByRest(client)}
    await server.stop(timedelta())


@pytest.fixture(params=["sql", "grpc", "rest"])
def way(ways: dict[str, Way], request: pytest.FixtureRequest) -> Way:
    """Give one way after the other."""
    return ways[request.param]
