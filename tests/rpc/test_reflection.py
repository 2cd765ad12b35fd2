"""A caller without our schema can list, describe and call what is served."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2

from gosynq_server.rpc.reflection import V1, V1ALPHA
from gosynq_server.rpc.server import SERVICES, RpcServer
from tests.rpc.scripted import ScriptedService

Ask = Callable[..., Awaitable[reflection_pb2.ServerReflectionResponse]]
Grpcurl = Callable[..., Awaitable[str]]


@pytest.fixture(params=[V1, V1ALPHA])
def ask(request: pytest.FixtureRequest, channel: grpc.aio.Channel) -> Ask:
    """Give a function that asks reflection one thing, under either of its names."""
    method = channel.stream_stream(
        f"/{request.param}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def ask_once(**fields: str) -> reflection_pb2.ServerReflectionResponse:
        (answer,) = [answer async for answer in method(iter([reflection_pb2.ServerReflectionRequest(**fields)]))]
        return answer

    return ask_once


async def test_every_service_is_listed(ask: Ask) -> None:
    answer = await ask(list_services="")

    assert {service.name for service in answer.list_services_response.service} == {
        *SERVICES,
        "grpc.health.v1.Health",
        V1,
        V1ALPHA,
    }


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("gosynq.v1.JobService", "gosynq/v1/job_service.proto"),
        ("gosynq.v1.JobService.EnqueueJob", "gosynq/v1/job_service.proto"),
        ("gosynq.v1.JobSpec", "gosynq/v1/job.proto"),
        ("gosynq.v1.JobSpec.queue", "gosynq/v1/job.proto"),
        ("grpc.health.v1.Health.Check", "grpc_health/v1/health.proto"),
    ],
)
async def test_a_symbol_leads_to_its_file(ask: Ask, symbol: str, file: str) -> None:
    answer = await ask(file_containing_symbol=symbol)

    files = answer.file_descriptor_response.file_descriptor_proto
    assert file in {FileDescriptorProto.FromString(content).name for content in files}


@pytest.mark.parametrize("symbol", ["", "nothing", "gosynq.v1.Nothing", "gosynq.v1.Nothing.AtAll"])
async def test_a_symbol_that_nobody_knows_is_not_found(ask: Ask, symbol: str) -> None:
    answer = await ask(file_containing_symbol=symbol)

    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_a_caller_who_keeps_it_open_does_not_hold_up_the_stop(
    channel: grpc.aio.Channel, server: RpcServer
) -> None:
    call: Any = channel.stream_stream(f"/{V1}/ServerReflectionInfo")()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
    await call.read()

    async with asyncio.timeout(5):
        await server.stop(timedelta(seconds=60))

    assert await call.code() is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
def grpcurl(target: str) -> Grpcurl:
    """Give grpcurl against the server, or skip; on the build machine it has to be there."""
    program = shutil.which("grpcurl")
    if program is None:
        assert not os.environ.get("CI"), "grpcurl is not on the path"
        pytest.skip("grpcurl is not on the path")

    async def run(*arguments: str) -> str:
        options = [argument for argument in arguments if argument.startswith("-d=")]
        rest = [argument for argument in arguments if not argument.startswith("-d=")]
        command = [program, "-plaintext", "-max-time", "15", *options, target, *rest]
        result = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


async def test_grpcurl_lists_what_is_served(grpcurl: Grpcurl) -> None:
    assert set(SERVICES) < set((await grpcurl("list")).split())
    assert "gosynq.v1.JobService.EnqueueJob" in await grpcurl("list", "gosynq.v1.JobService")


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("gosynq.v1.JobService", "rpc EnqueueJob"),
        ("gosynq.v1.JobService.EnqueueJob", "rpc EnqueueJob ( .gosynq.v1.EnqueueJobRequest )"),
        ("gosynq.v1.JobSpec", "string queue = 1"),
    ],
)
async def test_grpcurl_describes_a_symbol(grpcurl: Grpcurl, symbol: str, shown: str) -> None:
    assert shown in await grpcurl("describe", symbol)


async def test_grpcurl_calls_by_names_alone(grpcurl: Grpcurl, service: ScriptedService) -> None:
    request = json.dumps({"job": {"queue": "mail", "payload": {"a": 1}}})

    answer = json.loads(await grpcurl(f"-d={request}", "gosynq.v1.JobService/EnqueueJob"))

    assert answer["job"]["kind"] == "send_email"
    assert service.calls[0][1].payload == b'{"a":1}'
