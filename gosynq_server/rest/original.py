"""What keeps the original system's REST clients working: the kind in the payload, `limit`, and 201 for a new job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gosynq.v1 import job_service_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

QUERY_ALIASES: Final[Mapping[str, Mapping[str, str]]] = {"ListJobs": {"limit": "page_size"}}
"""Other names of query parameters, by the RPC's name."""


def name_kind(request: Message) -> None:
    """Give a job without a kind the one that its payload's `task` names."""
    if not isinstance(request, job_service_pb2.EnqueueJobRequest) or request.job.kind:
        return
    payload = request.job.payload.fields
    if "task" in payload:
        request.job.kind = payload["task"].string_value


def makes_job(response: type[Message]) -> bool:
    """Return whether that is the answer of the call that makes a job."""
    return response is job_service_pb2.EnqueueJobResponse


def success_status(response: Message) -> int:
    """Return the HTTP status of a good answer: 201 where a job was made, else 200."""
    if not isinstance(response, job_service_pb2.EnqueueJobResponse):
        return 200
    return 201 if response.job_id and not response.deduplicated else 200
