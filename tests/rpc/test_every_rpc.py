"""Every RPC of the contract is answered; what stands in none is UNIMPLEMENTED."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from gosynq.v1 import (
    admin_service_pb2,
    event_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    schedule_service_pb2,
    worker_service_pb2,
)
from gosynq_server.rpc.server import SERVICES, RpcOptions, add_servicers
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import ScriptedService, scripted_services

FILES = (
    admin_service_pb2,
    event_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    schedule_service_pb2,
    worker_service_pb2,
)
METHODS: dict[str, MethodDescriptor] = {
    f"/{service.full_name}/{method.name}": method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@pytest.fixture
async def unchecked_channel(service: ScriptedService) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to the servicers alone: no rule of the schema answers in their place."""
    server = grpc.aio.server()
    services = scripted_services(service)
    add_servicers(server, services, RpcOptions(), asyncio.Event())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def code_of(channel: Any, path: str) -> Any:
    """Call a method with one empty message, however it takes and gives them, and return its code."""
    method = METHODS[path]
    if not (method.client_streaming or method.server_streaming):
        call = channel.unary_unary(path)(b"", timeout=10)
    elif method.client_streaming:
        call = channel.stream_stream(path)(iter([b""]), timeout=10)
    else:
        call = channel.unary_stream(path)(b"", timeout=10)
    return (await call.code()).name


def test_every_service_of_the_contract_is_served() -> None:
    assert {path.split("/")[1] for path in METHODS} == set(SERVICES)


async def test_every_rpc_of_the_contract_is_answered(unchecked_channel: Any, caplog: pytest.LogCaptureFixture) -> None:
    codes = {path: await code_of(unchecked_channel, path) for path in METHODS}
    caplog.clear()  # without the interceptor the library tells of what the servicers raise

    assert [path for path, code in codes.items() if code == "UNIMPLEMENTED"] == []


async def test_a_method_that_is_in_no_contract_is_unimplemented(channel: Any) -> None:
    refusal = await refusal_of(channel.unary_unary("/gosynq.v1.JobService/Nothing")(b""))

    assert refusal.code == "UNIMPLEMENTED"
