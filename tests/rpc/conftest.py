"""A real gRPC server over a scripted service, and a channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import grpc
import pytest

from gosynq.v1 import job_service_pb2_grpc
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from tests.rpc.scripted import Observed, ScriptedService, scripted_services


@pytest.fixture(autouse=True)
def nothing_escapes(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hold that no exception passes the interceptor: the library would tell a caller of it, and logs it."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith("grpc")] == []


@pytest.fixture
def service() -> ScriptedService:
    return ScriptedService()


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def options(observed: Observed) -> RpcOptions:
    return RpcOptions(observe=observed.observe)


@pytest.fixture
async def server(service: ScriptedService, options: RpcOptions) -> AsyncIterator[RpcServer]:
    server = build_server(scripted_services(service), options)
    yield server
    await server.stop(timedelta())


@pytest.fixture
async def target(server: RpcServer) -> str:
    port = server.bind("127.0.0.1:0")
    await server.start()
    return f"127.0.0.1:{port}"


@pytest.fixture
async def channel(target: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(target, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> job_service_pb2_grpc.JobServiceAsyncStub:
    return job_service_pb2_grpc.JobServiceStub(channel)
