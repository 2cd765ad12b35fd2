"""The client: puts jobs into a server's queues and looks after them."""

from __future__ import annotations

import asyncio
import functools
import math
import weakref
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from gosynq.v1 import (
    admin_service_pb2,
    admin_service_pb2_grpc,
    event_service_pb2_grpc,
    job_service_pb2,
    job_service_pb2_grpc,
)
from gosynq_client.bulk import extent, read_summary, selector, totals
from gosynq_client.caller import Caller
from gosynq_client.channel import open_channel
from gosynq_client.dead_letters import DeadLetters
from gosynq_client.enqueue_stream import EnqueueStream
from gosynq_client.errors import JobNotDone
from gosynq_client.event_list import EventList
from gosynq_client.jobs import JobRequest
from gosynq_client.options import ClientOptions
from gosynq_client.queues import Queues
from gosynq_client.replies import read_attempt, read_enqueued, read_explanation, read_job, read_server_info
from gosynq_client.requests import first_events, first_page, job_spec, watch_events, with_key
from gosynq_client.resuming import Patience
from gosynq_client.schedules import Schedules
from gosynq_client.times import duration, timestamp
from gosynq_client.watch import Watch
from gosynq_client.workers import Workers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from gosynq_client.bulk import BulkOptions, BulkSummary
    from gosynq_client.enqueue_stream import StreamedJob
    from gosynq_client.event_filters import EventListOptions, WatchOptions
    from gosynq_client.events import JobEvent, WatchItem
    from gosynq_client.explanation import Explanation
    from gosynq_client.jobs import Attempt, Content, EnqueuedJob, Job, JobOptions, JsonObject
    from gosynq_client.listing import JobFilters
    from gosynq_client.server_info import ServerInfo

_DEFAULTS = ClientOptions()
_NO_PAYLOAD: JsonObject = MappingProxyType({})

# One question holds a connection that long; below it no proxy takes the silence for a death.
_LONGEST_QUESTION = 30.0
_WAIT_GRACE = 2.0
_PAUSE = 0.2


class Client:
    """A connection to a GoSynq server, good for any number of concurrent calls; use it in `async with`.

        async with Client("localhost:50051") as client:
            job = await client.enqueue("send_email", {"to": "a@example.org"}, queue="mail")

    `target` is a gRPC target: host:port, dns:///name:port, or unix:path. Build it where the event loop runs; it
    connects with the first call. `queues`, `schedules`, `dead_letters` and `workers` hold the calls about those:

        await client.queues.pause("mail", reason="the relay is down")

    A call that finds no server is tried up to four times inside its time-out where it
    may be repeated. What is refused raises a class of `gosynq_client.errors` that says why.
    """

    def __init__(self, target: str, options: ClientOptions = _DEFAULTS) -> None:
        """Raise TokenInTheOpen for a token that would travel unencrypted, OSError for an unreadable certificate."""
        self._channel = open_channel(target, options, retries=True)
        self._once_channel = open_channel(target, options, retries=False)
        self._jobs: job_service_pb2_grpc.JobServiceAsyncStub = job_service_pb2_grpc.JobServiceStub(self._channel)
        self._once: job_service_pb2_grpc.JobServiceAsyncStub = job_service_pb2_grpc.JobServiceStub(self._once_channel)
        self._admin: admin_service_pb2_grpc.AdminServiceAsyncStub = admin_service_pb2_grpc.AdminServiceStub(
            self._channel
        )
        self._events: event_service_pb2_grpc.EventServiceAsyncStub = event_service_pb2_grpc.EventServiceStub(
            self._channel
        )
        # A watch resumes by itself, from its cursor, which the library's own retries know nothing of.
        self._watched: event_service_pb2_grpc.EventServiceAsyncStub = event_service_pb2_grpc.EventServiceStub(
            self._once_channel
        )
        self._watches: weakref.WeakSet[Watch[Any]] = weakref.WeakSet()
        self._caller = Caller(options)
        self.queues = Queues(self._caller, self._channel, self._once_channel)
        self.schedules = Schedules(self._caller, self._channel)
        self.dead_letters = DeadLetters(self._caller, self._channel, self._once_channel)
        self.workers = Workers(self._caller, self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection, and with it the watches and calls that run. Closing twice is harmless."""
        for watch in list(self._watches):
            await watch.aclose()
        await self._channel.close()
        await self._once_channel.close()

    async def enqueue(
        self,
        kind: str,
        payload: Content = _NO_PAYLOAD,
        *,
        validate_only: bool = False,
        **options: Unpack[JobOptions],
    ) -> EnqueuedJob:
        """Add one job; it is durable when this returns. `JobRequest` tells of the options.

        `validate_only` checks everything and adds nothing. Raises IdempotencyKeyReused for a key that names another
        job, ValidationFailed, PayloadTooLarge, QueueFull or QueueDraining for what is refused, and ValueError or
        TypeError for what can't be sent at all.
        """
        spec = job_spec(with_key(JobRequest(kind, payload, **options)))
        request = job_service_pb2.EnqueueJobRequest(job=spec, validate_only=validate_only)
        jobs = self._jobs if spec.idempotency_key else self._once
        return read_enqueued(await self._caller.call(jobs.EnqueueJob, request))

    async def enqueue_many(self, requests: Iterable[JobRequest]) -> Sequence[EnqueuedJob]:
        """Add up to 1000 jobs in one transaction, all of them or none; the results stand in the order of the jobs.

        Raises as `enqueue` does. No jobs make no call.
        """
        specs = [job_spec(with_key(request)) for request in requests]
        if not specs:
            return []
        jobs = self._jobs if all(spec.idempotency_key for spec in specs) else self._once
        response = await self._caller.call(jobs.BatchEnqueueJobs, job_service_pb2.BatchEnqueueJobsRequest(jobs=specs))
        return [read_enqueued(result) for result in response.results]

    def enqueue_stream(self, requests: AsyncIterable[JobRequest]) -> AsyncGenerator[StreamedJob, None]:
        """Add jobs as they come, each for itself: one result for each, in any order, once it is durable or refused.

        A refused job is a result with an error for its outcome. Raises EnqueueStreamBroken, with the jobs in doubt,
        when the stream breaks; and at the end whatever `requests` raised, or ValueError or TypeError for a job that
        can't be sent. To stop early, close the iterator (contextlib.aclosing); what was sent by then may be added.
        """
        open_call = functools.partial(self._jobs.StreamEnqueueJobs, metadata=self._caller.metadata)
        return EnqueueStream(open_call, requests).results()

    async def get(self, job_id: str) -> Job:
        """Give one job with everything in it. Raises JobNotFound."""
        response = await self._caller.call(self._jobs.GetJob, job_service_pb2.GetJobRequest(job_id=job_id))
        return read_job(response.job)

    async def list(self, **filters: Unpack[JobFilters]) -> AsyncGenerator[Job, None]:
        """Give the jobs that pass, newest first, asking for page after page as they are taken.

        `JobFilters` tells of the conditions. Raises FilterInvalid, or ValueError for an enum's UNKNOWN.
        """
        async for page in self._caller.pages(self._jobs.ListJobs, first_page(filters)):
            for job in page.jobs:
                yield read_job(job)

    async def attempts(self, job_id: str) -> AsyncGenerator[Attempt, None]:
        """Give the attempts of a job, newest first, page after page. Raises JobNotFound."""
        request = job_service_pb2.ListJobAttemptsRequest(job_id=job_id)
        async for page in self._caller.pages(self._jobs.ListJobAttempts, request):
            for attempt in page.attempts:
                yield read_attempt(attempt)

    async def wait(self, job_id: str, timeout: timedelta | None = None) -> Job:  # noqa: ASYNC109 - the server waits too
        """Wait until a job is completed, failed or cancelled, and give it with everything in it.

        Raises JobNotDone, which holds the job's last state, when `timeout` is up first; None waits without end.
        Raises JobNotFound.
        """
        clock = asyncio.get_running_loop().time
        end = math.inf if timeout is None else clock() + timeout.total_seconds()
        while True:
            response = await self._ask_until(job_id, min(max(end - clock(), 0), _LONGEST_QUESTION))
            if response.done:
                return read_job(response.job)
            left = end - clock()
            if left <= 0:
                raise JobNotDone(read_job(response.job))
            # A server that stops answers at once, and would be asked again at once.
            await asyncio.sleep(min(left, _PAUSE))

    async def cancel(self, job_id: str, *, reason: str = "", force: bool = False) -> Job:
        """Cancel a job: at once if it waits, else by telling its worker; `force` does not wait for the worker.

        Repeating it is harmless. Raises JobNotFound, or JobTerminal for a completed or failed job.
        """
        request = job_service_pb2.CancelJobRequest(job_id=job_id, reason=reason, force=force)
        return read_job((await self._caller.call(self._jobs.CancelJob, request)).job)

    async def retry(self, job_id: str, *, run_at: datetime | None = None) -> Job:
        """Make a failed or cancelled job pending again, or a waiting one due: now, or at `run_at` (aware).

        Raises JobNotFound, JobProcessing, or JobTerminal for a completed job.
        """
        request = job_service_pb2.RetryJobRequest(job_id=job_id, run_at=timestamp(run_at))
        return read_job((await self._caller.call(self._jobs.RetryJob, request)).job)

    async def delete(self, job_id: str, *, force: bool = False, allow_missing: bool = False) -> None:
        """Delete a job and its attempts, and free its key; `force` takes it from a worker that has it.

        Raises JobProcessing without `force`, and JobNotFound without `allow_missing`.
        """
        request = job_service_pb2.DeleteJobRequest(job_id=job_id, force=force, allow_missing=allow_missing)
        await self._caller.call(self._jobs.DeleteJob, request)

    async def explain(self, job_id: str) -> Explanation:
        """Say why a job is not running, or not done. Raises JobNotFound."""
        request = job_service_pb2.ExplainJobRequest(job_id=job_id)
        return read_explanation(await self._caller.call(self._jobs.ExplainJob, request))

    def bulk_cancel(self, *, reason: str = "", **options: Unpack[BulkOptions]) -> AsyncGenerator[BulkSummary, None]:
        """Cancel the jobs that are meant, as `cancel` does; those that are over are skipped.

            async for done in client.bulk_cancel(filter='queue = "mail"'):
                print(done.affected)

        Calls again and again until all are done, for `limit` jobs each, and gives after each call what all of them did;
        to stop, close the iterator. `BulkOptions` tells how jobs are meant. A call is not retried, so that the sum is
        right: what breaks off may be done anew. Raises FilterInvalid or ValidationFailed, and at once TypeError or
        ValueError for options that can't be sent.
        """
        request = job_service_pb2.BulkCancelJobsRequest(selector=selector(options), reason=reason, **extent(options))
        return self._bulk(self._once.BulkCancelJobs, request)

    def bulk_retry(
        self, *, run_at: datetime | None = None, **options: Unpack[BulkOptions]
    ) -> AsyncGenerator[BulkSummary, None]:
        """Retry the failed and cancelled jobs among those that are meant, as `retry` does; goes on as `bulk_cancel`."""
        request = job_service_pb2.BulkRetryJobsRequest(
            selector=selector(options), run_at=timestamp(run_at), **extent(options)
        )
        return self._bulk(self._once.BulkRetryJobs, request)

    def bulk_delete(self, **options: Unpack[BulkOptions]) -> AsyncGenerator[BulkSummary, None]:
        """Delete the jobs that are meant; those that are processing are skipped. Goes on as `bulk_cancel`."""
        request = job_service_pb2.BulkDeleteJobsRequest(selector=selector(options), **extent(options))
        return self._bulk(self._once.BulkDeleteJobs, request)

    def events(self, **options: Unpack[EventListOptions]) -> EventList:
        """Give the stored events that pass, oldest first, asking for page after page as they are taken.

        `EventListOptions` tells of the conditions. The list's `cursor` goes to a watch that goes on after it without a
        gap. Raises ValueError for an enum's UNKNOWN.
        """
        return EventList(functools.partial(self._caller.call, self._events.ListEvents), first_events(options))

    @overload
    def watch(self, *, snapshot: Literal[False] = False, **options: Unpack[WatchOptions]) -> Watch[JobEvent]: ...

    @overload
    def watch(self, *, snapshot: bool, **options: Unpack[WatchOptions]) -> Watch[WatchItem]: ...

    def watch(self, *, snapshot: bool = False, **options: Unpack[WatchOptions]) -> Watch[Any]:
        """Give events as they happen, for ever, over interruptions of any kind; `WatchOptions` tells which.

            async for event in client.watch(queues=["mail"], types=[EventType.FAILED]):
                print(event.job_id, event.error)

        `snapshot` has the matching jobs that are not terminal come first: SnapshotBegun, each Job as it is,
        SnapshotComplete, and then the events, the first of which may tell again what the jobs show (`revision` says
        which is newer). The watch's `cursor` can be stored, and given again to go on from there. Raises ValueError for
        an enum's UNKNOWN, or for two places to begin at; `Watch` tells of what iterating raises.
        """
        open_call = functools.partial(self._watched.WatchEvents, metadata=self._caller.metadata)
        patience = Patience(options.get("give_up_after"), options.get("on_connection"))
        watch: Watch[Any] = Watch(open_call, watch_events(options, snapshot=snapshot), patience)
        self._watches.add(watch)
        return watch

    async def server_info(self) -> ServerInfo:
        """Give what the server says about itself and its limits."""
        return read_server_info(
            await self._caller.call(self._admin.GetServerInfo, admin_service_pb2.GetServerInfoRequest())
        )

    async def _ask_until(self, job_id: str, seconds: float) -> job_service_pb2.WaitJobResponse:
        request = job_service_pb2.WaitJobRequest(job_id=job_id, timeout=duration(timedelta(seconds=seconds)))
        return await self._caller.call(self._jobs.WaitJob, request, seconds + _WAIT_GRACE)

    def _bulk(self, method: Any, request: Any) -> AsyncGenerator[BulkSummary, None]:
        async def ask(page: Any) -> BulkSummary:
            return read_summary((await self._caller.call(method, page)).summary)

        return totals(ask, request)
