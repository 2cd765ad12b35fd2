"""Around every call: its id, its errors, its log line and its figures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from gosynq.v1 import event_service_pb2, event_service_pb2_grpc
from gosynq.v1.job_service_pb2 import DeleteJobRequest, GetJobRequest, WaitJobRequest
from gosynq_server.domain.errors import DatabaseUnavailable, GosynqError, JobNotFound, ServerDraining
from gosynq_server.rpc import interceptors
from gosynq_server.rpc.interceptors import CallInterceptor
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import Observed, ScriptedService

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

ID = "0195e7a4-5a5a-7000-8000-000000000001"
GET, WAIT = "/gosynq.v1.JobService/GetJob", "/gosynq.v1.JobService/WaitJob"


class StoreError(GosynqError):
    """An error that the table lacks, about {secret}."""


async def trailers_of(call: Any) -> dict[str, Any]:
    await call
    return dict(await call.trailing_metadata())


async def test_the_callers_request_id_comes_back(stub: JobServiceAsyncStub) -> None:
    trailers = await trailers_of(stub.GetJob(GetJobRequest(job_id=ID), metadata=[("x-request-id", "abc-1")]))

    assert trailers["x-request-id"] == "abc-1"


@pytest.mark.parametrize("given", [[], [("x-request-id", "a b")], [("x-request-id", "a" * 129)]])
async def test_a_refused_call_without_a_fit_request_id_gets_a_new_one(
    stub: JobServiceAsyncStub, given: list[tuple[str, str]]
) -> None:
    first = await refusal_of(stub.GetJob(GetJobRequest(), metadata=given))
    second = await refusal_of(stub.GetJob(GetJobRequest(), metadata=given))

    assert len(first.trailers["x-request-id"]) == 16
    assert first.trailers["x-request-id"] != second.trailers["x-request-id"]


async def test_a_good_answer_to_a_call_without_an_id_has_no_trailers_to_carry(stub: JobServiceAsyncStub) -> None:
    assert "x-request-id" not in await trailers_of(stub.GetJob(GetJobRequest(job_id=ID)))


async def test_a_refused_call_has_its_request_id_too(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    service.answers["get"] = JobNotFound(job_id=ID)

    refusal = await refusal_of(stub.GetJob(GetJobRequest(job_id=ID), metadata=[("x-request-id", "r")]))

    assert refusal.trailers["x-request-id"] == "r"
    assert "grpc-retry-pushback-ms" not in refusal.trailers


async def test_a_caller_is_told_when_to_try_again(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    service.answers["get"] = DatabaseUnavailable()

    refusal = await refusal_of(stub.GetJob(GetJobRequest(job_id=ID)))

    assert refusal.trailers["grpc-retry-pushback-ms"] == "1000"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("the secret"),
        StoreError(secret="the secret"),
        ExceptionGroup("g", [ValueError("the secret")]),
        NotImplementedError("the secret"),
        TimeoutError("the secret"),
    ],
)
async def test_a_bug_is_logged_and_its_text_kept_from_the_caller(
    stub: JobServiceAsyncStub, service: ScriptedService, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    service.answers["get"] = error

    refusal = await refusal_of(stub.GetJob(GetJobRequest(job_id=ID), metadata=[("x-request-id", "r-1")]))

    assert (refusal.code, refusal.reason, refusal.metadata) == ("INTERNAL", "INTERNAL", {"request_id": "r-1"})
    assert "secret" not in str(refusal)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert (vars(record)["request_id"], vars(record)["method"]) == ("r-1", GET)
    assert "the secret" in caplog.text


async def test_an_error_of_a_task_group_is_told_as_itself(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    service.answers["get"] = ExceptionGroup("tasks", [ExceptionGroup("more", [ServerDraining()])])

    refusal = await refusal_of(stub.GetJob(GetJobRequest(job_id=ID)))

    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "SERVER_DRAINING")


async def test_every_call_is_observed_once_with_its_code(
    stub: JobServiceAsyncStub, service: ScriptedService, observed: Observed
) -> None:
    await stub.GetJob(GetJobRequest(job_id=ID))
    await refusal_of(stub.GetJob(GetJobRequest()))
    service.answers["get"] = RuntimeError()
    await refusal_of(stub.GetJob(GetJobRequest(job_id=ID)))

    assert await observed.take(3) == [(GET, "OK"), (GET, "INVALID_ARGUMENT"), (GET, "INTERNAL")]


async def test_a_call_is_logged_by_constant_message_and_facts(
    stub: JobServiceAsyncStub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=interceptors.__name__)

    await stub.GetJob(GetJobRequest(job_id=ID), metadata=[("x-request-id", "r-2")])
    await refusal_of(stub.GetJob(GetJobRequest(), metadata=[("x-request-id", "r-3")]))

    lines = [vars(record) for record in caplog.records if record.getMessage() == "call ended"]
    assert [(line["method"], line["code"], line["request_id"], line["levelname"]) for line in lines] == [
        (GET, "OK", "r-2", "DEBUG"),
        (GET, "INVALID_ARGUMENT", "r-3", "INFO"),
    ]
    assert all(line["seconds"] >= 0 and line["peer"].startswith("ipv4:127.0.0.1") for line in lines)


@pytest.mark.parametrize("deadline", [None, 0.5])
async def test_a_cancelled_call_stops_its_handler(
    stub: JobServiceAsyncStub, service: ScriptedService, observed: Observed, deadline: float | None
) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    service.answers["wait"] = wait
    call = stub.WaitJob(WaitJobRequest(job_id=ID), timeout=deadline)
    async with asyncio.timeout(5):
        await begun.wait()
        if deadline is None:
            call.cancel()
        await stopped.wait()
    assert await observed.take() == [(WAIT, "CANCELLED")]


class Events(event_service_pb2_grpc.EventServiceServicer):
    """Answers a watch by a generator that ends as its request says."""

    def __init__(self) -> None:
        self.closed, self.flooding = asyncio.Event(), asyncio.Event()

    async def WatchEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the contract's name
        try:
            yield event_service_pb2.WatchEventsResponse(cursor="one")
            if request.cursor == "fail":
                raise ServerDraining
            if request.cursor == "abort":
                await context.abort(grpc.StatusCode.ABORTED, "enough")
            if request.cursor == "hang":
                await asyncio.Event().wait()
            while request.cursor == "flood":
                self.flooding.set()
                yield event_service_pb2.WatchEventsResponse(cursor="x" * 3_000_000)
        finally:
            self.closed.set()


@pytest.fixture
def events() -> Events:
    return Events()  # type: ignore[abstract]  # the generated base answers the rest


@pytest.fixture
async def watch(events: Events, observed: Observed) -> AsyncIterator[Any]:
    """Give the WatchEvents of a server whose only service streams by a generator."""
    still = [("grpc.http2.bdp_probe", 0)]  # the window stays small: a write of megabytes blocks
    server = grpc.aio.server(interceptors=[CallInterceptor(observed.observe)], options=still)
    event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=still) as channel:
        yield event_service_pb2_grpc.EventServiceStub(channel).WatchEvents
    await server.stop(None)


@pytest.mark.parametrize(
    ("cursor", "code"),
    [("good", "OK"), ("fail", "UNAVAILABLE"), ("abort", "ABORTED"), ("hang", "CANCELLED")],
)
async def test_a_stream_is_observed_at_its_end_with_what_ended_it(
    watch: Any, events: Events, observed: Observed, cursor: str, code: str
) -> None:
    call = watch(event_service_pb2.WatchEventsRequest(cursor=cursor))

    assert (await call.read()).cursor == "one"
    if code == "CANCELLED":
        call.cancel()
    else:
        assert await call.code() is grpc.StatusCode[code]
    async with asyncio.timeout(5):
        await events.closed.wait()
    assert await observed.take() == [("/gosynq.v1.EventService/WatchEvents", code)]


async def test_a_caller_who_goes_amid_a_blocked_write_is_no_bug(
    watch: Any, events: Events, observed: Observed, caplog: pytest.LogCaptureFixture
) -> None:
    call = watch(event_service_pb2.WatchEventsRequest(cursor="flood"))
    async with asyncio.timeout(5):
        await call.read()
        await events.flooding.wait()
        call.cancel()

    assert await observed.take() == [("/gosynq.v1.EventService/WatchEvents", "CANCELLED")]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_handler_is_wrapped_once_for_all_calls(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    await asyncio.gather(*(stub.DeleteJob(DeleteJobRequest(job_id=ID)) for _ in range(50)))

    assert len(service.calls) == 50
