"""A real server of WorkerService whose sessions a test leads by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.rpc import status_pb2
from grpc_status import rpc_status

from gosynq.v1 import worker_pb2, worker_service_pb2, worker_service_pb2_grpc
from gosynq.v1.worker_service_pb2 import WorkerHello, WorkerWelcome, WorkRequest, WorkResponse

PATIENCE = 10.0
TOKEN = "token"

APPLIED = worker_pb2.RESULT_STATUS_APPLIED
ALREADY_APPLIED = worker_pb2.RESULT_STATUS_ALREADY_APPLIED
LEASE_LOST = worker_pb2.RESULT_STATUS_LEASE_LOST
ACTIVE = worker_pb2.LEASE_STATE_ACTIVE
LOST = worker_pb2.LEASE_STATE_LOST


def a_grant(job_id: str, *, token: str = TOKEN, sequence: int = 1, age: timedelta = timedelta()) -> worker_pb2.Lease:
    lease = worker_pb2.Lease(lease_token=token, lease_sequence=sequence)
    lease.job.id, lease.job.queue, lease.job.kind = job_id, "mail", "send"
    lease.job.payload_bytes, lease.job.content_type = b"{}", "application/json"
    lease.job.locked_at.FromDatetime(datetime.now(UTC) - age)
    lease.valid_for.FromSeconds(30)
    return lease


def a_status(
    job_id: str, state: worker_pb2.LeaseState.ValueType = ACTIVE, *, cancel_requested: bool = False
) -> worker_pb2.LeaseStatus:
    return worker_pb2.LeaseStatus(job_id=job_id, lease_token=TOKEN, state=state, cancel_requested=cancel_requested)


@dataclass(slots=True)
class Session:
    """One stream of a worker."""

    context: Any
    ending: asyncio.Future[status_pb2.Status | None]

    async def read(self) -> WorkRequest | None:
        """Return what the worker says next, None once it has closed its side."""
        async with asyncio.timeout(PATIENCE):
            request = await self.context.read()
        return None if request is grpc.aio.EOF else request

    async def write(self, **message: Any) -> None:
        await self.context.write(WorkResponse(**message))

    async def welcome(self, *statuses: worker_pb2.LeaseStatus) -> WorkerHello:
        request = await self.read()
        assert request is not None
        await self.write(welcome=WorkerWelcome(session_id="s", server_id="here", held_leases=statuses))
        return request.hello

    async def grant(self, *leases: worker_pb2.Lease) -> None:
        await self.write(leases=worker_service_pb2.LeaseGrants(leases=leases))

    async def limit(self) -> int:
        """Read a change of how many leases may be open."""
        request = await self.read()
        assert request is not None
        assert request.WhichOneof("message") == "flow_control", request
        return request.flow_control.max_in_flight

    async def results(self) -> Sequence[worker_pb2.JobResult]:
        request = await self.read()
        assert request is not None
        assert request.WhichOneof("message") == "results", request
        return request.results.results

    async def acknowledge(self, results: Sequence[worker_pb2.JobResult], status: Any = APPLIED) -> None:
        acks = [worker_pb2.JobResultAck(lease=result.lease, status=status) for result in results]
        await self.write(result_acks=worker_service_pb2.JobResultAcks(acks=acks))

    async def answer_heartbeat(self, *statuses: worker_pb2.LeaseStatus) -> list[str]:
        """Answer a heartbeat; return the jobs that it named."""
        request = await self.read()
        assert request is not None
        heartbeat = request.heartbeat
        ack = worker_service_pb2.HeartbeatAck(sequence=heartbeat.sequence, leases=statuses)
        await self.write(heartbeat_ack=ack)
        return [lease.job_id for lease in heartbeat.leases]

    def end(self, status: status_pb2.Status | None = None) -> None:
        """End the stream, well or by a status."""
        self.ending.set_result(status)


@dataclass(slots=True)
class SessionServer(worker_service_pb2_grpc.WorkerServiceServicer):
    """Hands each stream that is opened to the test, and keeps what leases were to be extended by a call."""

    opened: asyncio.Queue[Session] = field(default_factory=asyncio.Queue)
    extended: asyncio.Queue[worker_service_pb2.ExtendLeasesRequest] = field(default_factory=asyncio.Queue)

    async def Work(self, request_iterator: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        session = Session(context, asyncio.get_running_loop().create_future())
        self.opened.put_nowait(session)
        if (status := await session.ending) is not None:
            await context.abort_with_status(rpc_status.to_status(status))

    async def ExtendLeases(  # noqa: N802 - the contract names it
        self, request: worker_service_pb2.ExtendLeasesRequest, context: Any
    ) -> worker_service_pb2.ExtendLeasesResponse:
        self.extended.put_nowait(request)
        return worker_service_pb2.ExtendLeasesResponse()

    async def next(self) -> Session:
        """Return the next stream that is opened."""
        async with asyncio.timeout(PATIENCE):
            return await self.opened.get()
