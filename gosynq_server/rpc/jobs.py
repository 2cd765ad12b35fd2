"""JobService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gosynq.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from gosynq_server.domain.lifecycle import TERMINAL
from gosynq_server.rpc.convert import length_of, moment_of, text_of, wait_of
from gosynq_server.rpc.convert_bulk import bulk_query_of, run_at_of, summary_message
from gosynq_server.rpc.convert_explanations import explanation_message
from gosynq_server.rpc.convert_jobs import attempts_message, job_message, page_message, page_size_of, query_of
from gosynq_server.rpc.convert_specs import batch_message, enqueued_message, spec_of, specs_of
from gosynq_server.rpc.enqueue_stream import EnqueueStream
from gosynq_server.rpc.stream_age import spread

if TYPE_CHECKING:
    import asyncio

    import grpc

    from gosynq_server.service.bulk_jobs import BulkJobs
    from gosynq_server.service.enqueue import Enqueuer
    from gosynq_server.service.jobs import Jobs

    Context = grpc.aio.ServicerContext[Any, Any]

_USUAL_WAIT = timedelta(seconds=30)


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """Answers JobService."""

    def __init__(
        self, enqueuer: Enqueuer, jobs: Jobs, bulk_jobs: BulkJobs, *, draining: asyncio.Event, stream_age: timedelta
    ) -> None:
        self._enqueuer = enqueuer
        self._jobs = jobs
        self._bulk_jobs = bulk_jobs
        self._draining = draining
        self._stream_age = stream_age

    async def EnqueueJob(
        self, request: job_service_pb2.EnqueueJobRequest, context: Context
    ) -> job_service_pb2.EnqueueJobResponse:
        """Add one job, or only check it."""
        spec = spec_of(request.job)
        add = self._enqueuer.check if request.validate_only else self._enqueuer.enqueue
        return enqueued_message(await add(spec))

    async def BatchEnqueueJobs(
        self, request: job_service_pb2.BatchEnqueueJobsRequest, context: Context
    ) -> job_service_pb2.BatchEnqueueJobsResponse:
        """Add jobs, all or none."""
        return batch_message(await self._enqueuer.enqueue_all(specs_of(request.jobs)))

    async def StreamEnqueueJobs(  # type: ignore[override]  # it writes through the context and yields nothing
        self, request_iterator: object, context: Context
    ) -> None:
        """Add jobs as they come."""
        stream = EnqueueStream(self._enqueuer, context)
        await stream.run(draining=self._draining, age=spread(self._stream_age))

    async def GetJob(self, request: job_service_pb2.GetJobRequest, context: Context) -> job_service_pb2.GetJobResponse:
        """Return one job."""
        full = request.view != job_pb2.JOB_VIEW_BASIC
        job = await self._jobs.get(request.job_id, with_content=full)
        return job_service_pb2.GetJobResponse(job=job_message(job, full=full))

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: Context
    ) -> job_service_pb2.ListJobsResponse:
        """Return a page of jobs."""
        query = query_of(request)
        return page_message(await self._jobs.list(query), full=query.with_content)

    async def ListJobAttempts(
        self, request: job_service_pb2.ListJobAttemptsRequest, context: Context
    ) -> job_service_pb2.ListJobAttemptsResponse:
        """Return a page of one job's attempts."""
        token = text_of(request.page_token, "page_token")
        size = page_size_of(request.page_size)
        return attempts_message(await self._jobs.attempts(request.job_id, page_size=size, page_token=token))

    async def WaitJob(
        self, request: job_service_pb2.WaitJobRequest, context: Context
    ) -> job_service_pb2.WaitJobResponse:
        """Return one job when it is terminal, or as it is in time to answer."""
        asked = length_of(request.timeout, "timeout") if request.HasField("timeout") else _USUAL_WAIT
        job = await self._jobs.wait(request.job_id, wait_of(asked, context.time_remaining()))
        return job_service_pb2.WaitJobResponse(done=job.status in TERMINAL, job=job_message(job, full=True))

    async def ExplainJob(
        self, request: job_service_pb2.ExplainJobRequest, context: Context
    ) -> job_service_pb2.ExplainJobResponse:
        """Say why a job is not running, or not done."""
        return explanation_message(*await self._jobs.explain(request.job_id))

    async def CancelJob(
        self, request: job_service_pb2.CancelJobRequest, context: Context
    ) -> job_service_pb2.CancelJobResponse:
        """Cancel one job."""
        job = await self._jobs.cancel(request.job_id, reason=text_of(request.reason, "reason"), force=request.force)
        return job_service_pb2.CancelJobResponse(job=job_message(job, full=False))

    async def RetryJob(
        self, request: job_service_pb2.RetryJobRequest, context: Context
    ) -> job_service_pb2.RetryJobResponse:
        """Make one job pending again."""
        run_at = moment_of(request.run_at, "run_at") if request.HasField("run_at") else None
        job = await self._jobs.retry(request.job_id, run_at=run_at)
        return job_service_pb2.RetryJobResponse(job=job_message(job, full=False))

    async def DeleteJob(
        self, request: job_service_pb2.DeleteJobRequest, context: Context
    ) -> job_service_pb2.DeleteJobResponse:
        """Delete one job."""
        await self._jobs.delete(request.job_id, force=request.force, allow_missing=request.allow_missing)
        return job_service_pb2.DeleteJobResponse()

    async def BulkCancelJobs(
        self, request: job_service_pb2.BulkCancelJobsRequest, context: Context
    ) -> job_service_pb2.BulkCancelJobsResponse:
        """Cancel many jobs."""
        summary = await self._bulk_jobs.cancel(bulk_query_of(request), reason=text_of(request.reason, "reason"))
        return job_service_pb2.BulkCancelJobsResponse(summary=summary_message(summary))

    async def BulkRetryJobs(
        self, request: job_service_pb2.BulkRetryJobsRequest, context: Context
    ) -> job_service_pb2.BulkRetryJobsResponse:
        """Make many jobs pending again."""
        summary = await self._bulk_jobs.retry(bulk_query_of(request), run_at=run_at_of(request))
        return job_service_pb2.BulkRetryJobsResponse(summary=summary_message(summary))

    async def BulkDeleteJobs(
        self, request: job_service_pb2.BulkDeleteJobsRequest, context: Context
    ) -> job_service_pb2.BulkDeleteJobsResponse:
        """Delete many jobs."""
        summary = await self._bulk_jobs.delete(bulk_query_of(request))
        return job_service_pb2.BulkDeleteJobsResponse(summary=summary_message(summary))
