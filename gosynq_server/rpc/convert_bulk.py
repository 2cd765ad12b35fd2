"""Bulk calls: which jobs they mean, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from gosynq.v1 import job_service_pb2
from gosynq_server.domain.bulk import BulkQuery
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.rpc.convert import moment_of, text_of

if TYPE_CHECKING:
    from datetime import datetime

    from gosynq.v1 import admin_service_pb2
    from gosynq_server.domain.bulk import BulkSummary

    BulkRequest: TypeAlias = (
        job_service_pb2.BulkCancelJobsRequest
        | job_service_pb2.BulkRetryJobsRequest
        | job_service_pb2.BulkDeleteJobsRequest
        | admin_service_pb2.RedriveDeadLetterJobsRequest
        | admin_service_pb2.PurgeDeadLetterJobsRequest
    )

_DEFAULT_LIMIT = 1000


def bulk_query_of(request: BulkRequest) -> BulkQuery:
    """Return which jobs a caller means."""
    return BulkQuery(
        job_ids=tuple(parse_job_id(job_id) for job_id in request.selector.ids.job_ids),
        filter=text_of(request.selector.filter, "selector.filter"),
        validate_only=request.validate_only,
        limit=request.limit or _DEFAULT_LIMIT,
        page_token=text_of(request.page_token, "page_token"),
    )


def run_at_of(
    request: job_service_pb2.BulkRetryJobsRequest | admin_service_pb2.RedriveDeadLetterJobsRequest,
) -> datetime | None:
    """Return when jobs are to run, None being now."""
    return moment_of(request.run_at, "run_at") if request.HasField("run_at") else None


def summary_message(summary: BulkSummary) -> job_service_pb2.BulkSummary:
    """Return what a call did."""
    return job_service_pb2.BulkSummary(
        affected=summary.affected,
        skipped=summary.skipped,
        more=bool(summary.next_page_token),
        sample_job_ids=summary.sample,
        next_page_token=summary.next_page_token,
    )
