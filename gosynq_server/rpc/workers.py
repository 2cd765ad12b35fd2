"""WorkerService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gosynq.v1 import worker_service_pb2, worker_service_pb2_grpc
from gosynq_client.worker.outcomes import Cancelled, Outcome, Released, Snoozed
from gosynq_server.domain.lease_names import RemoteResult
from gosynq_server.rpc.convert import STATUS_NUMBERS, length_of, wait_of
from gosynq_server.rpc.convert_leases import (
    failure_of,
    lease_message,
    lease_of,
    leases_of,
    profile_of,
    progress_of,
    status_message,
    success_of,
)
from gosynq_server.rpc.stream_age import spread
from gosynq_server.rpc.work_stream import Departure, WorkStream

if TYPE_CHECKING:
    import asyncio

    import grpc

    from gosynq.v1 import job_pb2
    from gosynq_server.service.workers import Workers

    Context = grpc.aio.ServicerContext[Any, Any]

_GRACE = timedelta(seconds=10)


class WorkerServicer(worker_service_pb2_grpc.WorkerServiceServicer):
    """Answers WorkerService."""

    def __init__(self, workers: Workers, *, server_id: str, draining: asyncio.Event, stream_age: timedelta) -> None:
        self._workers = workers
        self._server_id = server_id
        self._draining = draining
        self._stream_age = stream_age

    async def Work(  # type: ignore[override]  # it writes through the context and yields nothing
        self, request_iterator: object, context: Context
    ) -> None:
        """Serve one worker's stream."""
        stream = WorkStream(self._workers, context, server_id=self._server_id)
        await stream.run(Departure(draining=self._draining, age=spread(self._stream_age), grace=_GRACE))

    async def LeaseJobs(
        self, request: worker_service_pb2.LeaseJobsRequest, context: Context
    ) -> worker_service_pb2.LeaseJobsResponse:
        """Lease due jobs."""
        wait = wait_of(length_of(request.wait, "wait"), context.time_remaining())
        leases = await self._workers.lease(
            profile_of(request), request.max_jobs or 1, wait=wait, draining=self._draining
        )
        return worker_service_pb2.LeaseJobsResponse(
            leases=[lease_message(lease, request.worker_id) for lease in leases]
        )

    async def CompleteJob(
        self, request: worker_service_pb2.CompleteJobRequest, context: Context
    ) -> worker_service_pb2.CompleteJobResponse:
        """End a lease well."""
        return worker_service_pb2.CompleteJobResponse(job_status=await self._end(request, success_of(request, "")))

    async def FailJob(
        self, request: worker_service_pb2.FailJobRequest, context: Context
    ) -> worker_service_pb2.FailJobResponse:
        """End a lease badly."""
        return worker_service_pb2.FailJobResponse(job_status=await self._end(request, failure_of(request, "")))

    async def SnoozeJob(
        self, request: worker_service_pb2.SnoozeJobRequest, context: Context
    ) -> worker_service_pb2.SnoozeJobResponse:
        """Put a leased job off."""
        outcome = Snoozed(delay=length_of(request.delay, "delay"))
        return worker_service_pb2.SnoozeJobResponse(job_status=await self._end(request, outcome))

    async def ReleaseJob(
        self, request: worker_service_pb2.ReleaseJobRequest, context: Context
    ) -> worker_service_pb2.ReleaseJobResponse:
        """Give a leased job back."""
        return worker_service_pb2.ReleaseJobResponse(job_status=await self._end(request, Released()))

    async def AcknowledgeCancel(
        self, request: worker_service_pb2.AcknowledgeCancelRequest, context: Context
    ) -> worker_service_pb2.AcknowledgeCancelResponse:
        """End a lease whose job was to be cancelled."""
        outcome = Cancelled(message=request.message)
        return worker_service_pb2.AcknowledgeCancelResponse(job_status=await self._end(request, outcome))

    async def ExtendLeases(
        self, request: worker_service_pb2.ExtendLeasesRequest, context: Context
    ) -> worker_service_pb2.ExtendLeasesResponse:
        """Extend leases."""
        by = length_of(request.extend_by, "extend_by") if request.HasField("extend_by") else None
        statuses = await self._workers.extend(leases_of(request.leases, "leases"), by=by)
        return worker_service_pb2.ExtendLeasesResponse(leases=map(status_message, statuses))

    async def ReportProgress(
        self, request: worker_service_pb2.ReportProgressRequest, context: Context
    ) -> worker_service_pb2.ReportProgressResponse:
        """Keep the progress of a job."""
        asked = await self._workers.report(progress_of(lease_of(request), request.progress))
        return worker_service_pb2.ReportProgressResponse(cancel_requested=asked)

    async def _end(self, request: Any, outcome: Outcome) -> job_pb2.JobStatus.ValueType:
        status = await self._workers.end(RemoteResult(lease=lease_of(request), outcome=outcome))
        return STATUS_NUMBERS[status]
