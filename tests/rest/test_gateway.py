from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import uvicorn
from grpc_health.v1 import health, health_pb2
from starlette.applications import Starlette

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_server.rest.bindings import contract_bindings
from gosynq_server.rest.gateway import build_app
from gosynq_server.rest.openapi import openapi_document

JOB_ID = "01900000-0000-7000-8000-000000000001"
MISSING = "01900000-0000-7000-8000-00000000dead"
ORIGINAL = {
    "queue": "high",
    "payload": {"task": "send_email", "to": "user@example.com"},
    "max_retries": 3,
    "priority": "high",
}
TIMEOUT = 5


async def test_the_originals_enqueue_works_unchanged(client: httpx.AsyncClient, jobs: Any) -> None:
    response = await client.post("/api/v1/jobs", json=ORIGINAL)

    assert response.status_code == 201
    body = response.json()
    assert {name: body[name] for name in ("job_id", "status", "deduplicated")} == {
        "job_id": JOB_ID,
        "status": "pending",
        "deduplicated": False,
    }
    assert (body["job"]["kind"], body["job"]["priority"]) == ("send_email", "high")
    spec = jobs.seen[0].request.job
    assert (spec.queue, spec.max_retries, spec.priority) == ("high", 3, job_pb2.JOB_PRIORITY_HIGH)
    assert dict(spec.payload) == ORIGINAL["payload"]


async def test_an_enqueue_that_makes_no_job_answers_200(client: httpx.AsyncClient) -> None:
    known = await client.post("/api/v1/jobs", json=ORIGINAL, headers={"Idempotency-Key": "known"})
    checked = await client.post("/api/v1/jobs?validate_only=true", json=ORIGINAL)

    assert (known.status_code, known.json()["deduplicated"]) == (200, True)
    assert (checked.status_code, checked.json()["job_id"]) == (200, "")


async def test_a_list_is_asked_for_by_query(client: httpx.AsyncClient, jobs: Any) -> None:
    response = await client.get("/api/v1/jobs?status=pending&queue=high&limit=5")

    assert response.status_code == 200
    assert [job["id"] for job in response.json()["jobs"]] == [JOB_ID] * 5
    assert response.json()["next_page_token"] == ""
    assert jobs.seen[0].request == job_service_pb2.ListJobsRequest(
        status=[job_pb2.JOB_STATUS_PENDING], queue=["high"], page_size=5
    )


async def test_a_job_is_answered_as_itself(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/api/v1/jobs/{JOB_ID}")

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["status"] == "completed"
    assert response.text.count('"payload":{"n":3}') == 1


async def test_large_requests_and_answers_are_converted_like_small_ones(client: httpx.AsyncClient, jobs: Any) -> None:
    payload = {"numbers": list(range(20_000))}

    enqueued = await client.post("/api/v1/jobs", json={"queue": "high", "payload": payload})
    page = await client.get("/api/v1/jobs?limit=1000")

    assert enqueued.status_code == 201
    assert list(jobs.seen[0].request.job.payload["numbers"]) == payload["numbers"]
    assert [job["id"] for job in page.json()["jobs"]] == [JOB_ID] * 1000


async def test_a_payload_of_the_greatest_depth_reaches_the_server(client: httpx.AsyncClient) -> None:
    def body(levels: int) -> str:
        return '{"queue":"high","payload":' + '{"a":' * (levels - 1) + "1" + "}" * levels

    deepest = await client.post("/api/v1/jobs", content=body(32))
    deeper = await client.post("/api/v1/jobs", content=body(33))

    assert (deepest.status_code, deeper.status_code) == (201, 400)
    assert deeper.json()["error"].endswith(": is nested deeper than 32")


async def test_head_asks_as_get_does(client: httpx.AsyncClient, jobs: Any) -> None:
    response = await client.head(f"/api/v1/jobs/{JOB_ID}")

    assert response.status_code == 200
    assert len(jobs.seen) == 1


async def test_an_error_of_the_server_is_told_with_its_details(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/api/v1/jobs/{MISSING}")

    assert response.status_code == 404
    assert response.json() == {
        "error": f"job {MISSING} not found",
        "code": 5,
        "status": "NOT_FOUND",
        "message": f"job {MISSING} not found",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "JOB_NOT_FOUND",
                "domain": "gosynq",
                "metadata": {"job_id": MISSING},
            }
        ],
    }


async def test_a_full_queue_says_when_to_come_back_and_names_the_callers_field(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/jobs", json={"queue": "full"})

    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.json()["message"] == "queue: is full"
    assert response.json()["details"][1]["field_violations"][0]["field"] == "queue"


async def test_an_rpc_that_the_server_does_not_have_is_unimplemented(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/stats")

    assert (response.status_code, response.json()["status"]) == (501, "UNIMPLEMENTED")


@pytest.mark.parametrize(
    ("line", "content", "status", "message"),
    [
        ("GET /api/v1/nothing", "", 404, "no such path: /api/v1/nothing"),
        ("PUT /api/v1/jobs", "", 405, "PUT is not possible here; possible: GET, POST"),
        ("OPTIONS /api/v1/jobs", "", 405, "OPTIONS is not possible here; possible: GET, POST"),
        ("BREW /api/v1/jobs", "", 405, "BREW is not possible here; possible: GET, POST"),
        ("POST /api/v1/health", "", 405, "POST is not possible here; possible: GET"),
        ("POST /api/v1/jobs", "{", 400, "the body: is not JSON: Expecting property name"),
        ("POST /api/v1/jobs", '{"max_retires":1}', 400, "max_retires: is not a field here"),
        ("POST /api/v1/jobs", '{"priority":"urgent"}', 400, "priority: must be one of low, normal, high, critical"),
        ("POST /api/v1/jobs", '{"payload":{"id":9007199254740993}}', 400, "payload.id: is an integer beyond 2^53"),
        ("GET /api/v1/jobs?limit=x", "", 400, "page_size: must be an integer"),
    ],
)
async def test_what_the_edge_refuses_never_reaches_the_server(
    client: httpx.AsyncClient, jobs: Any, *, line: str, content: str, status: int, message: str
) -> None:
    response = await client.request(*line.split(), content=content)

    assert response.status_code == status
    assert response.json()["error"].startswith(message)
    assert jobs.seen == []


async def test_headers_are_passed_on_and_the_request_id_comes_back(client: httpx.AsyncClient, jobs: Any) -> None:
    headers = {"authorization": "Bearer x", "traceparent": "00-1", "x-request-id": "r-1", "cookie": "secret"}

    response = await client.get(f"/api/v1/jobs/{JOB_ID}", headers=headers)

    assert response.headers["x-request-id"] == "r-1"
    sent = jobs.seen[0].metadata
    assert {name: sent.get(name) for name in headers} == headers | {"cookie": None}


async def test_a_request_id_is_made_where_there_is_none_and_is_in_errors_too(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/nothing")

    assert len(response.headers["x-request-id"]) == 32


async def test_the_deadline_is_the_callers(client: httpx.AsyncClient, jobs: Any) -> None:
    await client.get(f"/api/v1/jobs/{JOB_ID}")
    await client.get(f"/api/v1/jobs/{JOB_ID}", headers={"x-request-timeout": "10"})

    assert [round(seen.seconds) for seen in jobs.seen] == [30, 10]


async def test_a_call_past_its_deadline_answers_504(client: httpx.AsyncClient, jobs: Any) -> None:
    response = await client.get(f"/api/v1/jobs/{JOB_ID}:wait", headers={"x-request-timeout": "0.2"})

    assert (response.status_code, response.json()["status"]) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(jobs.cancelled.wait(), TIMEOUT)


async def test_a_body_over_the_limit_answers_413(channel: grpc.aio.Channel) -> None:
    transport = httpx.ASGITransport(app=build_app(channel, max_body_bytes=100))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
        long_body = await client.post("/api/v1/jobs", content=b" " * 101)
        long_message = await client.post("/api/v1/jobs", json={"payload": {"a": [0] * 20}})
        fitting = await client.post("/api/v1/jobs", json={"queue": "high"})

    assert [answer.status_code for answer in (long_body, long_message, fitting)] == [413, 413, 201]
    assert long_body.json()["error"] == "the request is larger than 100 bytes"


async def test_a_server_that_is_away_answers_503(tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(f"unix:{tmp_path / 'nobody.sock'}") as channel:
        transport = httpx.ASGITransport(app=build_app(channel))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            call = await client.get(f"/api/v1/jobs/{JOB_ID}")
            page = await client.get("/api/v1/health")

    assert (call.status_code, call.json()["status"]) == (503, "UNAVAILABLE")
    assert (page.status_code, page.json()["status"]) == (503, "unhealthy")
    assert set(page.json()["services"].values()) == {"unreachable"}


async def test_a_fault_of_the_edge_is_told_by_its_request_id_and_logged(
    client: httpx.AsyncClient, channel: grpc.aio.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    await channel.close()

    with caplog.at_level(logging.ERROR):
        response = await client.get(f"/api/v1/jobs/{JOB_ID}", headers={"x-request-id": "r-1"})

    assert response.status_code == 500
    assert response.json()["error"] == "internal error, request r-1"
    assert [(record.message, record.__dict__["request_id"]) for record in caplog.records] == [("request failed", "r-1")]


async def test_health_is_that_of_the_server_and_each_service(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/health")

    assert response.status_code == 200
    assert response.json()["status"] == "healthy"
    assert response.json()["services"]["gosynq.v1.JobService"] == "serving"
    assert len(response.json()["services"]) == 6


async def test_a_draining_server_is_unhealthy(client: httpx.AsyncClient, healths: health.aio.HealthServicer) -> None:
    await healths.enter_graceful_shutdown()

    response = await client.get("/api/v1/health")

    assert (response.status_code, response.json()["status"]) == (503, "unhealthy")
    assert response.json()["services"]["gosynq.v1.JobService"] == "not_serving"


@pytest.mark.parametrize("serving", [("",)])
async def test_a_service_that_the_server_does_not_have_is_unknown(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/v1/health")

    assert (response.status_code, response.json()["status"]) == (200, "healthy")
    assert set(response.json()["services"].values()) == {"unknown"}


async def test_one_service_that_is_down_is_told_so(
    client: httpx.AsyncClient, healths: health.aio.HealthServicer
) -> None:
    await healths.set("gosynq.v1.WorkerService", health_pb2.HealthCheckResponse.NOT_SERVING)

    response = await client.get("/api/v1/health")

    assert response.status_code == 200
    assert response.json()["services"]["gosynq.v1.WorkerService"] == "not_serving"


async def test_the_openapi_document_is_that_of_the_routes(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")

    assert response.json() == json.loads(json.dumps(openapi_document(contract_bindings())))


class Caller:
    """An HTTP caller at the level of ASGI, who can leave."""

    def __init__(self, *, gone_after: int) -> None:
        self.left = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self._gone_after = gone_after
        self._received = 0

    async def receive(self) -> dict[str, Any]:
        self._received += 1
        if self._received > self._gone_after:
            await self.left.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def call(self, app: Starlette, path: str) -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "scheme": "http",
            "server": ("edge", 80),
        }
        await app(scope, self.receive, self.send)


async def test_the_rpc_is_cancelled_when_the_http_caller_leaves(app: Starlette, jobs: Any) -> None:
    caller = Caller(gone_after=1)
    async with asyncio.timeout(TIMEOUT), asyncio.TaskGroup() as group:
        group.create_task(caller.call(app, f"/api/v1/jobs/{JOB_ID}:wait"))
        await jobs.waiting.wait()
        assert not jobs.cancelled.is_set()
        caller.left.set()
        await jobs.cancelled.wait()

    assert caller.sent[0]["status"] == 499


async def test_the_rpc_is_cancelled_when_the_edge_itself_is(app: Starlette, jobs: Any) -> None:
    caller = Caller(gone_after=1)
    async with asyncio.timeout(TIMEOUT):
        task = asyncio.create_task(caller.call(app, f"/api/v1/jobs/{JOB_ID}:wait"))
        await jobs.waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await jobs.cancelled.wait()

    assert caller.sent == []


async def test_a_caller_who_leaves_inside_his_body_calls_nothing(app: Starlette, jobs: Any) -> None:
    caller = Caller(gone_after=0)
    caller.left.set()

    await caller.call(app, f"/api/v1/jobs/{JOB_ID}")

    assert (caller.sent[0]["status"], jobs.seen) == (499, [])


async def test_a_connection_that_breaks_cancels_the_rpc_behind_it(app: Starlette, jobs: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="error"))
    async with asyncio.timeout(TIMEOUT), asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(f"GET /api/v1/jobs/{JOB_ID}:wait HTTP/1.1\r\nhost: edge\r\n\r\n".encode())
        await jobs.waiting.wait()
        writer.close()
        await jobs.cancelled.wait()
        server.should_exit = True


def _generic_server(address: str, called: Callable[[str], None]) -> grpc.aio.Server:
    """Return a server that answers every RPC of the contract with an empty message, which is one of any type."""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler[bytes, bytes]:
            async def answer(_request: bytes, _context: Any) -> bytes:
                called(handler_call_details.method)
                return b""

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    server.add_insecure_port(address)
    return server


async def test_every_route_reaches_its_own_rpc(tmp_path: Path) -> None:
    called: list[str] = []
    address = f"unix:{tmp_path / 'every.sock'}"
    server = _generic_server(address, called.append)
    await server.start()
    async with grpc.aio.insecure_channel(address) as channel:
        transport = httpx.ASGITransport(app=build_app(channel))
        async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            answers = [
                await client.request(binding.http_method, binding.template.replace("{", "").replace("}", ""))
                for binding in contract_bindings()
            ]
    await server.stop(None)

    assert {answer.status_code for answer in answers} == {200}
    assert called == [binding.full_method for binding in contract_bindings()]
