"""A small gRPC server that answers as it is told and remembers what it was asked, with the REST edge in front."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from starlette.applications import Starlette

from gosynq.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from gosynq_server.rest.bindings import SERVICES
from gosynq_server.rest.gateway import build_app

JOB_ID = "01900000-0000-7000-8000-000000000001"
MISSING = "01900000-0000-7000-8000-00000000dead"


@dataclass(slots=True, kw_only=True)
class Seen:
    """One call as it reached the server."""

    request: Message
    metadata: dict[str, str]
    seconds: float


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
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.seen.append(Seen(request=request, metadata=metadata, seconds=context.time_remaining()))


async def _abort_missing(context: Any) -> None:
    info = error_details_pb2.ErrorInfo(reason="JOB_NOT_FOUND", domain="gosynq", metadata={"job_id": MISSING})
    await context.abort_with_status(_status(code_pb2.NOT_FOUND, f"job {MISSING} not found", info))


async def _abort_full(context: Any) -> None:
    info = error_details_pb2.ErrorInfo(reason="QUEUE_FULL", domain="gosynq", metadata={"queue": "full"})
    violation = error_details_pb2.BadRequest.FieldViolation(field="job.queue", description="is full")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    details = (info, error_details_pb2.BadRequest(field_violations=[violation]), retry)
    await context.abort_with_status(_status(code_pb2.RESOURCE_EXHAUSTED, "job.queue: is full", *details))


def _status(code: int, message: str, *details: Message) -> Any:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return rpc_status.to_status(status)


@pytest.fixture
async def jobs() -> EchoJobs:
    return EchoJobs()  # type: ignore[abstract]  # the generated base answers the rest


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
    jobs: EchoJobs, healths: health.aio.HealthServicer, tmp_path: Path
) -> AsyncIterator[grpc.aio.Channel]:
    """Give a channel to the running server."""
    address = f"unix:{tmp_path / 'grpc.sock'}"
    server = grpc.aio.server()
    job_service_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    server.add_insecure_port(address)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
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
