"""What holds a job, as callers get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import job_service_pb2
from gosynq_server.rpc.convert import STATUS_NUMBERS, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gosynq_server.domain.explanation import Hold
    from gosynq_server.domain.job import JobStatus


def explanation_message(status: JobStatus, holds: Iterable[Hold]) -> job_service_pb2.ExplainJobResponse:
    """Return a job's status and everything that holds it."""
    return job_service_pb2.ExplainJobResponse(status=STATUS_NUMBERS[status], reasons=map(_reason, holds))


def _reason(hold: Hold) -> job_service_pb2.HoldReason:
    return job_service_pb2.HoldReason(
        type=job_service_pb2.HoldType.Value(f"HOLD_TYPE_{hold.type.upper()}"),
        message=hold.message,
        until=timestamp(hold.until),
        count=hold.count,
        limit=hold.limit,
        worker_id=hold.worker_id,
    )
