from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import pytest

from gosynq.v1 import worker_service_pb2_grpc
from gosynq_client.remote.source import StreamLeaseSource
from gosynq_client.remote.subscriptions import Profile, QueueSubscription
from tests.contract.client.remote.sessions import SessionServer


@dataclass(slots=True)
class Heard:
    """What a source told of by itself."""

    cancels: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    losses: asyncio.Queue[tuple[str, str]] = field(default_factory=asyncio.Queue)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    connections: asyncio.Queue[bool] = field(default_factory=asyncio.Queue)


@pytest.fixture
async def sessions() -> SessionServer:
    return SessionServer()  # type: ignore[abstract]  # the other calls are of no use here


@pytest.fixture
async def target(sessions: SessionServer) -> AsyncIterator[str]:
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(sessions, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@pytest.fixture
async def source(target: str, heard: Heard) -> AsyncIterator[StreamLeaseSource]:
    """Give a source that nobody runs yet."""
    profile = Profile(
        worker_id="w-1",
        queues=[QueueSubscription(queue="mail", weight=3), QueueSubscription(queue="slow", max_in_flight=2)],
        kinds=["send"],
        build="1.2",
    )
    async with grpc.aio.insecure_channel(target) as channel:
        leases = StreamLeaseSource(
            worker_service_pb2_grpc.WorkerServiceStub(channel),
            profile,
            on_cancel=lambda job_id, reason: heard.cancels.put_nowait((job_id, reason)),
            on_lost=lambda job_id, token: heard.losses.put_nowait((job_id, token)),
            on_stop=heard.stopped.set,
            on_connection=lambda: heard.connections.put_nowait(leases.is_connected),
        )
        yield leases


@pytest.fixture
async def running(source: StreamLeaseSource) -> AsyncIterator[asyncio.Task[None]]:
    """Keep the source connected."""
    task = asyncio.create_task(source.run())
    yield task
    task.cancel()
    await asyncio.wait([task])
