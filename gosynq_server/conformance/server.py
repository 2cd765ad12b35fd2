"""The server that a worker under examination talks to."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from gosynq.v1 import worker_pb2, worker_service_pb2, worker_service_pb2_grpc
from gosynq_server.conformance.book import key_of
from gosynq_server.conformance.session import Session
from gosynq_server.rpc.convert import length_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gosynq.v1 import job_pb2
    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.record import Record

    Context = grpc.aio.ServicerContext[Any, Any]

_LOCALHOST = "127.0.0.1"


class ExaminedWorkers(worker_service_pb2_grpc.WorkerServiceServicer):
    """Serves streams, and the unary calls for leases that came over one; hands out nothing to a worker that polls."""

    def __init__(self, record: Record) -> None:
        self._record = record

    async def Work(  # type: ignore[override]  # it writes through the context and yields nothing
        self,
        request_iterator: object,
        context: Context,
    ) -> None:
        """Serve one stream."""
        await Session(self._record, context).serve()

    async def LeaseJobs(
        self, request: worker_service_pb2.LeaseJobsRequest, context: Context
    ) -> worker_service_pb2.LeaseJobsResponse:
        """Hand out nothing."""
        self._record.has_polled = True
        self._record.changes.ring()
        await asyncio.sleep(length_of(request.wait, "wait").total_seconds())
        return worker_service_pb2.LeaseJobsResponse()

    async def CompleteJob(
        self, request: worker_service_pb2.CompleteJobRequest, context: Context
    ) -> worker_service_pb2.CompleteJobResponse:
        """End a lease well."""
        success = worker_pb2.JobSuccess(result_content_type=request.result_content_type)
        match request.WhichOneof("output"):
            case "result":
                success.result.CopyFrom(request.result)
            case "result_bytes":
                success.result_bytes = request.result_bytes
        status = await self._end(request, worker_pb2.JobResult(success=success), context)
        return worker_service_pb2.CompleteJobResponse(job_status=status)

    async def FailJob(
        self, request: worker_service_pb2.FailJobRequest, context: Context
    ) -> worker_service_pb2.FailJobResponse:
        """End a lease badly."""
        failure = worker_pb2.JobFailure(error=request.error)
        status = await self._end(request, worker_pb2.JobResult(failure=failure), context)
        return worker_service_pb2.FailJobResponse(job_status=status)

    async def SnoozeJob(
        self, request: worker_service_pb2.SnoozeJobRequest, context: Context
    ) -> worker_service_pb2.SnoozeJobResponse:
        """Put a leased job off."""
        snooze = worker_pb2.JobSnooze(delay=request.delay)
        status = await self._end(request, worker_pb2.JobResult(snooze=snooze), context)
        return worker_service_pb2.SnoozeJobResponse(job_status=status)

    async def ReleaseJob(
        self, request: worker_service_pb2.ReleaseJobRequest, context: Context
    ) -> worker_service_pb2.ReleaseJobResponse:
        """Give a leased job back."""
        release = worker_pb2.JobResult(release=worker_pb2.JobRelease())
        return worker_service_pb2.ReleaseJobResponse(job_status=await self._end(request, release, context))

    async def AcknowledgeCancel(
        self, request: worker_service_pb2.AcknowledgeCancelRequest, context: Context
    ) -> worker_service_pb2.AcknowledgeCancelResponse:
        """End a lease whose job was to be cancelled."""
        cancelled = worker_pb2.JobResult(cancelled=worker_pb2.JobCancelled(message=request.message))
        return worker_service_pb2.AcknowledgeCancelResponse(job_status=await self._end(request, cancelled, context))

    async def ExtendLeases(
        self, request: worker_service_pb2.ExtendLeasesRequest, context: Context
    ) -> worker_service_pb2.ExtendLeasesResponse:
        """Extend leases, or end them at once."""
        ends = request.HasField("extend_by") and not length_of(request.extend_by, "extend_by")
        statuses = []
        for ref in request.leases:
            lease = self._record.book.find(key_of(ref))
            if lease is None or not lease.is_open:
                state = worker_pb2.LEASE_STATE_LOST
                statuses.append(worker_pb2.LeaseStatus(job_id=ref.job_id, lease_token=ref.lease_token, state=state))
                continue
            statuses.append(self._record.book.extend(lease))
            if ends:
                self._take(lease, worker_pb2.JobResult(release=worker_pb2.JobRelease()))
        return worker_service_pb2.ExtendLeasesResponse(leases=statuses)

    async def ReportProgress(
        self, request: worker_service_pb2.ReportProgressRequest, context: Context
    ) -> worker_service_pb2.ReportProgressResponse:
        """Tell of a cancel."""
        lease = self._record.book.find(key_of(request))
        return worker_service_pb2.ReportProgressResponse(cancel_requested=lease is not None and lease.cancel_asked)

    async def _end(self, request: Any, result: worker_pb2.JobResult, context: Context) -> job_pb2.JobStatus.ValueType:
        lease = self._record.book.find(key_of(request))
        if lease is None:
            self._record.breach(f"a call names a lease that was never handed out: {request.job_id}")
        ack = None if lease is None else self._take(lease, result)
        if ack is None or ack.status == worker_pb2.RESULT_STATUS_LEASE_LOST:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "LEASE_LOST")
        return ack.job_status

    def _take(self, lease: HandedOut, result: worker_pb2.JobResult) -> worker_pb2.JobResultAck:
        result.lease.CopyFrom(lease.ref)
        lease.results.append(result)
        ack = self._record.book.settle(lease)
        self._record.changes.ring()
        return ack


@asynccontextmanager
async def serving(record: Record) -> AsyncIterator[str]:
    """Serve on a free port for the block, and give its address."""
    server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(ExaminedWorkers(record), server)
    port = server.add_insecure_port(f"{_LOCALHOST}:0")
    await server.start()
    try:
        yield f"{_LOCALHOST}:{port}"
    finally:
        await server.stop(None)
