"""The calls that look after dead letters: jobs that failed for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc, job_pb2
from gosynq_client.bulk import extent, read_summary, selector, totals
from gosynq_client.checked_options import check_options
from gosynq_client.listing import Names
from gosynq_client.replies import read_job
from gosynq_client.times import duration, timestamp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import datetime, timedelta

    import grpc

    from gosynq_client.bulk import BulkOptions, BulkSummary
    from gosynq_client.caller import Caller
    from gosynq_client.jobs import Job


class DeadLetterFilters(TypedDict, total=False):
    """Conditions on dead letters, joined by AND; the values of one by OR. Nothing said: all of them.

    `start_at` and `end_at` (aware) are about when a job became one: at or after the first, before the second. `full`
    brings payloads, headers and stack traces too. `page_size` is how many one call asks for: 50 unless said, 1000 at
    most.
    """

    queues: Names
    kinds: Names
    error_type: str
    start_at: datetime | None
    end_at: datetime | None
    full: bool
    page_size: int


class DeadLetters:
    """A server's dead letters, as `Client.dead_letters`."""

    def __init__(self, caller: Caller, channel: grpc.aio.Channel, once_channel: grpc.aio.Channel) -> None:
        self._caller = caller
        self._admin: admin_service_pb2_grpc.AdminServiceAsyncStub = admin_service_pb2_grpc.AdminServiceStub(channel)
        self._once: admin_service_pb2_grpc.AdminServiceAsyncStub = admin_service_pb2_grpc.AdminServiceStub(once_channel)

    async def list(self, **filters: Unpack[DeadLetterFilters]) -> AsyncGenerator[Job, None]:
        """Give the dead letters that pass, newest first, asking for page after page as they are taken."""
        check_options(filters, DeadLetterFilters)
        request = admin_service_pb2.ListDeadLetterJobsRequest(
            queue=filters.get("queues", ()),
            kind=filters.get("kinds", ()),
            error_type=filters.get("error_type", ""),
            start_at=timestamp(filters.get("start_at")),
            end_at=timestamp(filters.get("end_at")),
            page_size=filters.get("page_size", 0),
            view=job_pb2.JOB_VIEW_FULL if filters.get("full", False) else job_pb2.JOB_VIEW_BASIC,
        )
        async for page in self._caller.pages(self._admin.ListDeadLetterJobs, request):
            for job in page.jobs:
                yield read_job(job)

    def redrive(
        self,
        *,
        to: str = "",
        run_at: datetime | None = None,
        spread: timedelta | None = None,
        **options: Unpack[BulkOptions],
    ) -> AsyncGenerator[BulkSummary, None]:
        """Put dead letters back into their queues, or into the queue `to`: pending, with the same id and payload.

        They run now or at `run_at`; `spread` has each call spread the starts of its jobs evenly over that time. Goes on
        as `Client.bulk_cancel` does, and raises as it does.
        """
        request = admin_service_pb2.RedriveDeadLetterJobsRequest(
            selector=selector(options),
            target_queue=to,
            run_at=timestamp(run_at),
            spread=duration(spread),
            **extent(options),
        )
        return totals(self._redrive, request)

    def purge(self, **options: Unpack[BulkOptions]) -> AsyncGenerator[BulkSummary, None]:
        """Delete dead letters. Goes on as `Client.bulk_cancel` does, and raises as it does."""
        request = admin_service_pb2.PurgeDeadLetterJobsRequest(
            selector=selector(options),
            **extent(options),
        )
        return totals(self._purge, request)

    async def _redrive(self, request: admin_service_pb2.RedriveDeadLetterJobsRequest) -> BulkSummary:
        return read_summary((await self._caller.call(self._once.RedriveDeadLetterJobs, request)).summary)

    async def _purge(self, request: admin_service_pb2.PurgeDeadLetterJobsRequest) -> BulkSummary:
        return read_summary((await self._caller.call(self._once.PurgeDeadLetterJobs, request)).summary)
