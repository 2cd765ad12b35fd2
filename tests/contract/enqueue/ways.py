"""The ways in which a job is enqueued, each told the same and answering alike."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg
import grpc
import httpx
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import error_reason_pb2, job_pb2
from gosynq.v1.job_service_pb2 import EnqueueJobRequest
from tests.rpc.refusals import refusal_of
from tests.service.house import Connection

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

_JSON = ("payload", "labels", "headers", "retry_policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of an enqueue."""

    job_id: str
    deduplicated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why an enqueue was refused; fields is the first broken rule's."""

    reason: str
    field: str = ""
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)


class Way(Protocol):
    """One way of enqueueing; a spec's values are Python's, enums are lower-case names."""

    async def enqueue(self, **spec: Any) -> Added | Refused:
        """Enqueue one job of the queue q and the kind k, unless the spec says otherwise."""
        ...


class BySql:
    """By gosynq.enqueue, each call a transaction of its own."""

    def __init__(self, sql: Connection) -> None:
        self._sql = sql

    async def enqueue(self, **spec: Any) -> Added | Refused:
        said = {"queue": "q", "kind": "k"} | spec
        given = ", ".join(f"{name} => ${place}" for place, name in enumerate(said, 1))
        values = [json.dumps(value) if name in _JSON else value for name, value in said.items()]
        try:
            row = await self._sql.fetchrow(
                f"SELECT * FROM gosynq.enqueue({given})",  # noqa: S608 - names of ours
                *values,
            )
        except asyncpg.PostgresError as error:
            return refused_by(error)
        assert row is not None
        return Added(job_id=str(row["job_id"]), deduplicated=row["deduplicated"])


def refused_by(error: asyncpg.PostgresError) -> Refused:
    """Take a refusal of ours apart; another error is raised."""
    if not (error.sqlstate or "").startswith("JQ"):
        raise error
    said = json.loads(error.detail or "")
    reason, broken = said.pop("reason"), said.pop("field", "")
    assert error.sqlstate == f"JQ{error_reason_pb2.ErrorReason.Value(f'ERROR_REASON_{reason}'):03}"
    assert (error.column_name or "") == broken
    return Refused(reason=reason, field=broken, metadata=said)


class ByGrpc:
    """By JobService.EnqueueJob."""

    def __init__(self, stub: JobServiceAsyncStub) -> None:
        self._stub = stub

    async def enqueue(self, **spec: Any) -> Added | Refused:
        call = self._stub.EnqueueJob(EnqueueJobRequest(job=message_of(spec)))
        if await call.code() is not grpc.StatusCode.OK:
            refusal = await refusal_of(call)
            broken = refusal.fields[0].removeprefix("job.") if refusal.fields else ""
            return Refused(reason=refusal.reason, field=broken, metadata=refusal.metadata)
        answer = await call
        return Added(job_id=answer.job_id, deduplicated=answer.deduplicated)


class ByRest:
    """By POST /api/v1/jobs."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def enqueue(self, **spec: Any) -> Added | Refused:
        body = MessageToDict(message_of(spec), preserving_proto_field_name=True)
        response = await self._client.post("/api/v1/jobs", json=body)
        said = response.json()
        if response.is_success:
            return Added(job_id=said["job_id"], deduplicated=said.get("deduplicated", False))
        details = {detail["@type"].rpartition(".")[2]: detail for detail in said["details"]}
        broken = details.get("BadRequest", {}).get("field_violations")
        return Refused(
            reason=details["ErrorInfo"]["reason"],
            field=broken[0]["field"] if broken else "",
            metadata=details["ErrorInfo"].get("metadata", {}),
        )


def message_of(spec: dict[str, Any]) -> job_pb2.JobSpec:
    """Write a spec as the message that it is on the wire."""
    message = job_pb2.JobSpec(queue="q", kind="k")
    for name, value in spec.items():
        _put(message, name, value)
    return message


_ENUMS = {"priority": "JOB_PRIORITY", "debounce_mode": "DEBOUNCE_MODE", "strategy": "BACKOFF_STRATEGY"}


def _put(message: Any, name: str, value: Any) -> None:
    match value:
        case dict():
            _put_all(getattr(message, name), name, value)
        case datetime():
            stamp = Timestamp()
            stamp.FromDatetime(value)
            getattr(message, name).CopyFrom(stamp)
        case timedelta():
            length = Duration()
            length.FromTimedelta(value)
            getattr(message, name).CopyFrom(length)
        case str() if name.endswith("_backoff"):
            getattr(message, name).FromJsonString(value)
        case str() if name in _ENUMS:
            setattr(message, name, f"{_ENUMS[name]}_{value.upper()}")
        case _:
            setattr(message, name, value)


def _put_all(target: Any, name: str, values: dict[str, Any]) -> None:
    if name in ("payload", "retry_policy"):
        target.SetInParent()
    if name != "retry_policy":
        target.update(values)
        return
    for part, said in values.items():
        _put(target, part, said)
