"""A small gRPC server that answers as it is told and remembers what it was asked, with the REST edge in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from starlette.applications import Starlette

from gosynq.v1 import event_service_pb2_grpc, job_pb2, job_service_pb2, job_service_pb2_grpc
from gosynq_server.app.web import WebServer
from gosynq_server.rest.bindings import SERVICES
from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rest.streams import Streams
from tests.rest.scripted import ScriptedEvents, Seen, seen, status_of

JOB_ID = "01900000-0000-7000-8000-000000000001"
MISSING = "01900000-0000-7000-8000-00000000dead"


@dataclass(slots=True)
class EchoJobs(job_service_pb2_grpc.JobServiceServicer):
    """Jobs without a store: the answer is made of the request."""

    seen: list[Seen] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def EnqueueJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC names it
        self._note(request, context)
        if request.job.queue == "full":
            await _abort_full(context)
        job = job_pb2.Job(queue=request.job.queue, kind=request.job.kind, priority=request.job.priority)
        if request.validate_only:
            return job_service_pb2.EnqueueJobResponse(status=job_pb2.JOB_STATUS_PENDING, job=job)
        job.id = JOB_ID
        return job_service_pb2.EnqueueJobResponse(
            job_id=JOB_ID,
            status=job_pb2.JOB_STATUS_PENDING,
            deduplicated=request.job.idempotency_key == "known",
            job=job,
        )

    async def GetJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC names it
        self._note(request, context)
        if request.job_id == MISSING:
            await _abort_missing(context)
        job = job_pb2.Job(id=request.job_id, status=job_pb2.JOB_STATUS_COMPLETED)
        job.payload.update({"n": 3})
        return job_service_pb2.GetJobResponse(job=job)

    async def ListJobs(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC names it
        self._note(request, context)
        return job_service_pb2.ListJobsResponse(jobs=[job_pb2.Job(id=JOB_ID)] * max(request.page_size, 1))

    async def WaitJob(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC names it
        self._note(request, context)
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()

    def _note(self, request: Message, context: Any) -> None:
        self.seen.append(seen(request, context))


async def _abort_missing(context: Any) -> None:
    info = error_details_pb2.ErrorInfo(reason="JOB_NOT_FOUND", domain="gosynq", metadata={"job_id": MISSING})
    await context.abort_with_status(status_of(code_pb2.NOT_FOUND, f"job {MISSING} not found", info))


async def _abort_full(context: Any) -> None:
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gosynq", metadata={"queue": "full"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="job.queue", description="is full")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    details = (info, error_details_pb2.BadRequest(field_violations=[violation]), retry)
    await context.abort_with_status(status_of(code_pb2.RESOURCE_EXHAUSTED, "job.queue: is full", *details))


@pytest.fixture
async def jobs() -> EchoJobs:
    return EchoJobs()  # type: ignore[abstract]  # the generated base answers the rest


@pytest.fixture
async def events() -> ScriptedEvents:
    """Give the events of the server, which a test scripts."""
    return ScriptedEvents()  # type: ignore[abstract]  # the generated base answers the rest


@pytest.fixture
def serving() -> tuple[str, ...]:
    """Name the services that serve, "" being the server as a whole: all of them."""
    return ("", *(service.full_name for service in SERVICES))


@pytest.fixture
async def healths(serving: tuple[str, ...]) -> health.aio.HealthServicer:
    """Give the health of the server."""
    servicer = health.aio.HealthServicer()
    for name in serving:
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer


@pytest.fixture
async def channel(
    jobs: EchoJobs, events: ScriptedEvents, healths: health.aio.HealthServicer, tmp_path: Path
) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to the running server."""
    address = f"unix:{tmp_path / 'grpc.sock'}"
    server = grpc.aio.server()
    job_service_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    server.add_insecure_port(address)
    await server.start()
    async with open_channel(address) as channel:
        yield channel
    await server.stop(None)


@pytest.fixture
def app(channel: grpc.aio.Channel) -> Starlette:
    """Give the REST edge in front of the running server."""
    return build_app(channel)


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the REST edge, which answers like one on a socket: never by raising."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        yield client


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The REST edge on a socket, as a server has it."""

    port: int
    streams: Streams
    server: WebServer
    running: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def stop(self) -> None:
        """Stop in the order in which a server does."""
        self.streams.close()
        self.server.stop()
        await self.running


@pytest.fixture
async def edge(channel: grpc.aio.Channel) -> AsyncIterator[Edge]:
    """Give the REST edge on a socket, in front of the running server."""
    streams = Streams()
    server = WebServer(build_app(channel, streams=streams), socket.create_server(("127.0.0.1", 0)))
    edge = Edge(port=server.port, streams=streams, server=server, running=asyncio.create_task(server.run()))
    yield edge
    await edge.stop()


@pytest.fixture
async def caller(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that talks to the REST edge over its socket."""
    async with httpx.AsyncClient(base_url=edge.url) as client:
        yield client
