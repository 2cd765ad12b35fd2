"""AdminService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc
from gosynq_server.rpc.convert import duration, length_of, text_of, timestamp
from gosynq_server.rpc.convert_bulk import bulk_query_of, run_at_of, summary_message
from gosynq_server.rpc.convert_jobs import dead_letter_query_of, job_message
from gosynq_server.rpc.convert_workers import worker_message, worker_page_size_of, workers_message

if TYPE_CHECKING:
    import grpc

    from gosynq_server.service.dead_letters import DeadLetters
    from gosynq_server.service.roster import Roster

    Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a server tells of itself: its version, its name among its like, its limits, its optional abilities."""

    version: str
    server_id: str
    max_payload_bytes: int
    idempotency_window: timedelta
    event_retention: timedelta
    features: tuple[str, ...] = ()


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Answers AdminService."""

    def __init__(self, info: ServerInfo, roster: Roster, dead_letters: DeadLetters, *, max_message_bytes: int) -> None:
        self._info = info
        self._dead_letters = dead_letters
        self._roster = roster
        self._max_message_bytes = max_message_bytes

    async def ListDeadLetterJobs(
        self, request: admin_service_pb2.ListDeadLetterJobsRequest, context: Context
    ) -> admin_service_pb2.ListDeadLetterJobsResponse:
        """Return a page of dead letters."""
        query = dead_letter_query_of(request)
        page = await self._dead_letters.list(query)
        jobs = (job_message(job, full=query.with_content) for job in page.jobs)
        return admin_service_pb2.ListDeadLetterJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def RedriveDeadLetterJobs(
        self, request: admin_service_pb2.RedriveDeadLetterJobsRequest, context: Context
    ) -> admin_service_pb2.RedriveDeadLetterJobsResponse:
        """Put dead letters back to work."""
        summary = await self._dead_letters.redrive(
            bulk_query_of(request),
            target_queue=request.target_queue,
            run_at=run_at_of(request),
            spread=length_of(request.spread, "spread"),
        )
        return admin_service_pb2.RedriveDeadLetterJobsResponse(summary=summary_message(summary))

    async def PurgeDeadLetterJobs(
        self, request: admin_service_pb2.PurgeDeadLetterJobsRequest, context: Context
    ) -> admin_service_pb2.PurgeDeadLetterJobsResponse:
        """Delete dead letters."""
        summary = await self._dead_letters.purge(bulk_query_of(request))
        return admin_service_pb2.PurgeDeadLetterJobsResponse(summary=summary_message(summary))

    async def ListWorkers(
        self, request: admin_service_pb2.ListWorkersRequest, context: Context
    ) -> admin_service_pb2.ListWorkersResponse:
        """Return a page of workers."""
        size, token = worker_page_size_of(request.page_size), text_of(request.page_token, "page_token")
        return workers_message(await self._roster.list(queue=request.queue, page_size=size, page_token=token))

    async def DrainWorker(
        self, request: admin_service_pb2.DrainWorkerRequest, context: Context
    ) -> admin_service_pb2.DrainWorkerResponse:
        """Ask a worker to finish and leave."""
        worker = await self._roster.drain(request.worker_id, reason=text_of(request.reason, "reason"))
        return admin_service_pb2.DrainWorkerResponse(worker=worker_message(worker))

    async def GetServerInfo(
        self, request: admin_service_pb2.GetServerInfoRequest, context: Context
    ) -> admin_service_pb2.GetServerInfoResponse:
        """Say what this server is, and its limits."""
        return admin_service_pb2.GetServerInfoResponse(
            version=self._info.version,
            server_id=self._info.server_id,
            server_time=timestamp(datetime.now(UTC)),
            max_message_bytes=self._max_message_bytes,
            max_payload_bytes=self._info.max_payload_bytes,
            idempotency_window=duration(self._info.idempotency_window),
            event_retention=duration(self._info.event_retention),
            features=self._info.features,
        )
