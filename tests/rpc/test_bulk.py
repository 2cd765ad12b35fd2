"""Bulk calls and dead letters over a real server and a real database, by gRPC and by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import job_pb2
from gosynq.v1.admin_service_pb2 import (
    ListDeadLetterJobsRequest,
    PurgeDeadLetterJobsRequest,
    RedriveDeadLetterJobsRequest,
)
from gosynq.v1.admin_service_pb2_grpc import AdminServiceStub
from gosynq.v1.job_service_pb2 import (
    BulkCancelJobsRequest,
    BulkDeleteJobsRequest,
    BulkRetryJobsRequest,
    BulkSummary,
    JobIdList,
    JobSelector,
)
from gosynq.v1.job_service_pb2_grpc import JobServiceStub
from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.service.house import FATAL, House, open_house

ALL = JobSelector(filter="id != ''")
ID = "0195e7a4-5a5a-7000-8000-000000000001"


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as house:
        yield house


@pytest.fixture
async def channel(house: House) -> AsyncIterator[grpc.aio.Channel]:
    server = build_server(services_of(house), RpcOptions())
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(timedelta())


@pytest.fixture
def call(channel: grpc.aio.Channel) -> Any:
    """Give a function that asks what a message is the request of."""
    stubs: tuple[Any, ...] = (JobServiceStub(channel), AdminServiceStub(channel))

    def ask(request: Any) -> Any:
        name = type(request).__name__.removesuffix("Request")
        return next(getattr(stub, name) for stub in stubs if hasattr(stub, name))(request)

    return ask


@pytest.fixture
async def rest(channel: grpc.aio.Channel) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build_app(channel), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        yield client


async def _dead(house: House, **spec: Any) -> str:
    lease = await house.started(**spec)
    await house.settle(lease, FATAL)
    return lease.job_id


async def test_bulk_calls_go_on_by_their_tokens(house: House, call: Any) -> None:
    jobs = [await house.add() for _ in range(3)]

    first = (await call(BulkCancelJobsRequest(selector=ALL, limit=2, reason="enough"))).summary
    token = first.next_page_token
    second = (await call(BulkCancelJobsRequest(selector=ALL, limit=2, page_token=token))).summary

    assert first == BulkSummary(affected=2, more=True, sample_job_ids=jobs[:2], next_page_token=token)
    assert second == BulkSummary(affected=1, sample_job_ids=jobs[2:])
    by_ids = JobSelector(ids=JobIdList(job_ids=[*jobs, ID]))
    assert (await call(BulkRetryJobsRequest(selector=by_ids, validate_only=True))).summary.affected == 3
    retried = (await call(BulkRetryJobsRequest(selector=by_ids, run_at=Timestamp(seconds=4_000_000_000)))).summary
    assert (retried.affected, retried.skipped) == (3, 1)
    assert (
        await call(BulkDeleteJobsRequest(selector=JobSelector(filter="run_at > 2090-01-01T00:00:00Z")))
    ).summary == (BulkSummary(affected=3, sample_job_ids=jobs))


async def test_dead_letters_are_listed_redriven_and_purged(house: House, call: Any) -> None:
    first, second = await _dead(house, payload=b'{"a":1}'), await _dead(house)

    page = await call(ListDeadLetterJobsRequest(page_size=1, error_type="Boom", queue=["q"]))
    rest_of = await call(
        ListDeadLetterJobsRequest(
            error_type="Boom", queue=["q"], page_token=page.next_page_token, view=job_pb2.JOB_VIEW_FULL
        )
    )

    assert [job.id for job in page.jobs] == [second]
    assert [(job.id, job.status, job.payload["a"]) for job in rest_of.jobs] == [(first, job_pb2.JOB_STATUS_FAILED, 1)]
    assert page.jobs[0].dead_lettered_at == page.jobs[0].finished_at
    redrive = RedriveDeadLetterJobsRequest(
        selector=JobSelector(ids=JobIdList(job_ids=[first])), target_queue="other", spread=Duration(seconds=9)
    )
    assert (await call(redrive)).summary == BulkSummary(affected=1, sample_job_ids=[first])
    assert (await house.job(first)).queue == "other"
    assert (await call(PurgeDeadLetterJobsRequest(selector=ALL))).summary.affected == 1


REQUESTS = (
    BulkCancelJobsRequest,
    BulkRetryJobsRequest,
    BulkDeleteJobsRequest,
    RedriveDeadLetterJobsRequest,
    PurgeDeadLetterJobsRequest,
)


async def test_bad_input_of_bulk_calls_names_the_field(call: Any) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "selector"),
        ({"selector": JobSelector()}, "selector.selector"),
        ({"selector": JobSelector(filter="")}, "selector.filter"),
        ({"selector": JobSelector(filter="\0")}, "selector.filter"),
        ({"selector": JobSelector(ids=JobIdList(job_ids=["x"]))}, "selector.ids.job_ids[0]"),
        ({"selector": ALL, "limit": 10_001}, "limit"),
        ({"selector": ALL, "page_token": "\0"}, "page_token"),
    ]
    for request in REQUESTS:
        for said, field in cases:
            refusal = await refusal_of(call(request(**said)))
            assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,)), request


async def test_refusals_of_bulk_calls_have_their_reasons(house: House, call: Any) -> None:
    await house.sql.execute("INSERT INTO gosynq.queues (name, state) VALUES ('full', 'draining')")
    for request in REQUESTS:
        refusal = await refusal_of(call(request(selector=JobSelector(filter="nonsense"))))
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "FILTER_INVALID")
        refusal = await refusal_of(call(request(selector=ALL, page_token="x")))
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    refusal = await refusal_of(call(RedriveDeadLetterJobsRequest(selector=ALL, target_queue="full")))
    assert (refusal.code, refusal.reason, refusal.metadata) == (
        "FAILED_PRECONDITION",
        "QUEUE_DRAINING",
        {"queue": "full"},
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ListDeadLetterJobsRequest(queue=["no queue"]), "queue[0]"),
        (ListDeadLetterJobsRequest(kind=["\0"]), "kind[0]"),
        (ListDeadLetterJobsRequest(error_type="\0"), "error_type"),
        (ListDeadLetterJobsRequest(start_at=Timestamp(seconds=10**12)), "start_at"),
        (ListDeadLetterJobsRequest(page_size=-1), "page_size"),
        (RedriveDeadLetterJobsRequest(selector=ALL, target_queue="no queue"), "target_queue"),
        (RedriveDeadLetterJobsRequest(selector=ALL, spread=Duration(seconds=86_401)), "spread"),
        (RedriveDeadLetterJobsRequest(selector=ALL, run_at=Timestamp(seconds=10**12)), "run_at"),
        (BulkRetryJobsRequest(selector=ALL, run_at=Timestamp(seconds=10**12)), "run_at"),
        (BulkCancelJobsRequest(selector=ALL, reason="\0"), "reason"),
    ],
)
async def test_bad_input_names_the_field(call: Any, request_: Any, field: str) -> None:
    refusal = await refusal_of(call(request_))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,))


async def test_rest_has_a_route_for_each(house: House, rest: httpx.AsyncClient) -> None:
    dead, ready = await _dead(house), await house.add()
    everything = {"selector": {"filter": "id != ''"}, "validate_only": True}

    listed = await rest.get("/api/v1/admin/dead-letters", params={"queue": "q", "error_type": "Boom"})

    assert [job["id"] for job in listed.json()["jobs"]] == [dead]
    for path, affected in {
        "/api/v1/jobs:bulkCancel": [ready],
        "/api/v1/jobs:bulkRetry": [dead],
        "/api/v1/jobs:bulkDelete": [dead, ready],
        "/api/v1/admin/dead-letters:redrive": [dead],
        "/api/v1/admin/dead-letters:purge": [dead],
    }.items():
        response = await rest.post(path, json=everything)
        assert (response.status_code, response.json()["summary"]["sample_job_ids"]) == (200, affected), path
        refused = await rest.post(path, json={"selector": {"filter": "kind ="}})
        assert (refused.status_code, refused.json()["details"][0]["reason"]) == (400, "FILTER_INVALID")


async def test_rest_lists_and_drains_workers(house: House, rest: httpx.AsyncClient) -> None:
    await rest.post("/api/v1/jobs:lease", json={"worker_id": "w-1", "queues": [{"queue": "q"}]})
    await house.registrar.run_once()

    listed = (await rest.get("/api/v1/admin/workers", params={"queue": "q"})).json()["workers"]
    drained = await rest.post("/api/v1/admin/workers/w-1:drain", json={"reason": "enough"})

    assert [(worker["worker_id"], worker["state"]) for worker in listed] == [("w-1", "active")]
    assert drained.json()["worker"]["state"] == "draining"
    assert (await rest.post("/api/v1/admin/workers/nobody:drain", json={})).status_code == 404


async def test_rest_tells_what_the_server_is(rest: httpx.AsyncClient) -> None:
    info = (await rest.get("/api/v1/info")).json()
    assert (info["version"], info["server_id"], info["idempotency_window"]) == ("1.2.3", "server-a", "86400s")
