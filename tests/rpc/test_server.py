"""A server binds where it is told, or says why not, and stops in order, once or twice, started or not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gosynq.v1.event_service_pb2 import WatchEventsRequest
from gosynq.v1.event_service_pb2_grpc import EventServiceStub
from gosynq.v1.job_service_pb2 import GetJobRequest
from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.domain.watching import Delivery
from gosynq_server.rpc.server import PortTaken, RpcOptions, RpcServer, build_server, channel_options
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import ScriptedService, scripted_services
from tests.unit.rpc.factories import a_job

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

ID = "0195e7a4-5a5a-7000-8000-000000000001"


def another(service: ScriptedService, **changes: Any) -> RpcServer:
    return build_server(scripted_services(service), RpcOptions(**changes))


async def test_a_port_has_one_server(target: str, service: ScriptedService) -> None:
    rival = another(service)

    with pytest.raises(PortTaken, match=target):
        rival.bind(target)
    await rival.stop(timedelta())


async def test_an_address_of_another_machine_is_refused_by_name(service: ScriptedService) -> None:
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1:50051"):
        another(service).bind("192.0.2.1:50051")


async def test_a_port_is_free_again_after_the_stop(target: str, server: RpcServer, service: ScriptedService) -> None:
    await server.stop(timedelta())
    successor = another(service)

    assert successor.bind(target) == int(target.rpartition(":")[2])
    await successor.stop(timedelta())


async def test_a_server_that_never_started_stops(service: ScriptedService) -> None:
    server = another(service)
    server.bind("127.0.0.1:0")

    await server.stop(timedelta(seconds=1))
    await server.stop(timedelta(seconds=1))


async def test_running_calls_have_the_grace_to_end(
    stub: JobServiceAsyncStub, server: RpcServer, service: ScriptedService
) -> None:
    begun, released = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any) -> Any:
        begun.set()
        await released.wait()
        return a_job()

    service.answers["get"] = wait
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        call = group.create_task(answer_of(stub))
        await begun.wait()
        group.create_task(server.stop(timedelta(seconds=4)))
        group.create_task(server.stop(timedelta(seconds=4)))
        await asyncio.sleep(0)
        released.set()
    assert call.result().job.queue == "mail"


async def answer_of(stub: JobServiceAsyncStub) -> Any:
    return await stub.GetJob(GetJobRequest(job_id=ID))


async def test_a_call_that_outlives_the_grace_is_cut(
    stub: JobServiceAsyncStub, server: RpcServer, service: ScriptedService
) -> None:
    begun = asyncio.Event()

    async def hang(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    service.answers["get"] = hang
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        refusal = group.create_task(refusal_of(stub.GetJob(GetJobRequest(job_id=ID))))
        await begun.wait()
        await server.stop(timedelta(milliseconds=50))
    assert refusal.result().code == "UNAVAILABLE"


async def test_a_caller_who_takes_nothing_has_no_grace(
    target: str, server: RpcServer, service: ScriptedService
) -> None:
    writing = asyncio.Event()

    async def watch(_: Any) -> AsyncGenerator[Delivery]:
        yield Delivery(position=None, snapshot=[a_job()])
        writing.set()
        while True:
            yield Delivery(position=None, snapshot=[a_job(payload=b'{"text": "%s"}' % (b"x" * 1_000_000))])

    service.answers["watch"] = watch
    async with grpc.aio.insecure_channel(target, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        responses = aiter(
            EventServiceStub(channel).WatchEvents(WatchEventsRequest(snapshot=True, include_payload=True))
        )
        await anext(responses)
        async with asyncio.timeout(5):
            await writing.wait()
            await server.stop(timedelta(seconds=60))
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            _ = [response async for response in responses]


async def test_without_reflection_there_is_none(service: ScriptedService) -> None:
    server = another(service, reflection=False)
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        reflect: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        assert await reflect(iter([b""])).code() is grpc.StatusCode.UNIMPLEMENTED
    await server.stop(timedelta())


async def test_calls_that_nobody_counts_are_answered_too(service: ScriptedService) -> None:
    server = another(service)
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert (await answer_of(JobServiceStub(channel))).job.queue == "mail"
    await server.stop(timedelta())


def test_the_library_is_set_as_advised() -> None:
    assert dict(channel_options(RpcOptions())) == {
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": 4_194_304,
        "grpc.max_send_message_length": 16_777_216,
        "grpc.max_concurrent_streams": 1000,
        "grpc.max_metadata_size": 16_384,
        "grpc.keepalive_time_ms": 60_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.min_recv_ping_interval_without_data_ms": 20_000,
        "grpc.http2.max_ping_strikes": 2,
        "grpc.max_connection_age_ms": 1_800_000,
        "grpc.max_connection_age_grace_ms": 600_000,
    }


def test_a_stream_ends_by_itself_before_the_library_cuts_it() -> None:
    options = RpcOptions()

    assert options.stream_age * 1.1 < options.connection_age_grace


def test_the_edge_needs_no_database_driver() -> None:
    code = "import sys, gosynq_server.rpc.server; sys.exit('asyncpg' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
