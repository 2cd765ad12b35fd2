"""JobService converts, calls and converts; what is wrong is refused by the name of its field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc, job_pb2
from gosynq.v1.job_service_pb2 import (
    BatchEnqueueJobsRequest,
    CancelJobRequest,
    DeleteJobRequest,
    DeleteJobResponse,
    EnqueueJobRequest,
    GetJobRequest,
    ListJobAttemptsRequest,
    ListJobsRequest,
    RetryJobRequest,
    WaitJobRequest,
)
from gosynq_server.domain import errors
from gosynq_server.domain.job import JobSpec, JobStatus
from gosynq_server.domain.listing import JobQuery
from gosynq_server.rpc.convert import wait_of
from gosynq_server.rpc.convert_jobs import attempt_message, job_message
from tests.rpc.refusals import refusal_of
from tests.rpc.scripted import ScriptedService
from tests.unit.rpc.factories import a_job, an_attempt

if TYPE_CHECKING:
    from gosynq.v1.job_service_pb2_grpc import JobServiceAsyncStub

ID = "0195e7a4-5a5a-7000-8000-000000000001"


async def test_an_enqueued_job_is_answered_with_its_defaults_resolved(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    answer = await stub.EnqueueJob(EnqueueJobRequest(job=job_pb2.JobSpec(queue="mail", kind="k")))

    assert service.calls == [("enqueue", JobSpec(queue="mail", kind="k"))]
    assert (answer.job_id, answer.job) == ("one", job_message(a_job(), full=False))


async def test_a_job_that_is_only_checked_is_not_enqueued(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    answer = await stub.EnqueueJob(EnqueueJobRequest(job=job_pb2.JobSpec(queue="mail"), validate_only=True))

    assert [name for name, *_ in service.calls] == ["check"]
    assert (answer.job_id, answer.job.queue) == ("", "mail")


async def test_a_batch_is_enqueued_whole_and_answered_in_order(
    stub: JobServiceAsyncStub, service: ScriptedService
) -> None:
    jobs = [job_pb2.JobSpec(queue="q", kind=f"k{number}") for number in range(1000)]

    answer = await stub.BatchEnqueueJobs(BatchEnqueueJobsRequest(jobs=jobs))

    assert [result.job_id for result in answer.results] == [job.kind for job in jobs]
    assert [name for name, *_ in service.calls] == ["enqueue_all"]


@pytest.mark.parametrize(("view", "full"), [(0, True), (job_pb2.JOB_VIEW_FULL, True), (job_pb2.JOB_VIEW_BASIC, False)])
async def test_a_job_is_got_in_full_unless_the_basic_view_is_asked(
    stub: JobServiceAsyncStub, service: ScriptedService, view: job_pb2.JobView.ValueType, *, full: bool
) -> None:
    answer = await stub.GetJob(GetJobRequest(job_id=ID, view=view))

    assert service.calls == [("get", ID, full)]
    assert answer.job == job_message(a_job(), full=full)


@pytest.mark.parametrize(("view", "full"), [(0, False), (job_pb2.JOB_VIEW_FULL, True), (job_pb2.JOB_VIEW_BASIC, False)])
async def test_jobs_are_listed_in_short_unless_the_full_view_is_asked(
    stub: JobServiceAsyncStub, service: ScriptedService, view: job_pb2.JobView.ValueType, *, full: bool
) -> None:
    answer = await stub.ListJobs(ListJobsRequest(view=view, page_size=2_000_000_000))

    assert service.calls == [("list", JobQuery(page_size=1000, with_content=full))]
    assert (list(answer.jobs), answer.next_page_token) == ([job_message(a_job(), full=full)], "next")


async def test_attempts_are_listed(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    answer = await stub.ListJobAttempts(ListJobAttemptsRequest(job_id=ID, page_token="t"))

    assert service.calls == [("attempts", ID, 50, "t")]
    assert (list(answer.attempts), answer.next_page_token) == ([attempt_message(an_attempt())], "next")


@pytest.mark.parametrize("status", list(JobStatus))
async def test_a_wait_is_done_when_the_job_is_terminal(
    stub: JobServiceAsyncStub, service: ScriptedService, status: JobStatus
) -> None:
    service.answers["wait"] = a_job(status=status)

    answer = await stub.WaitJob(WaitJobRequest(job_id=ID, timeout=Duration(seconds=7)))

    assert service.calls == [("wait", ID, timedelta(seconds=7))]
    assert answer.done is (status in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
    assert answer.job == job_message(a_job(status=status), full=True)


async def test_a_wait_of_no_length_is_thirty_seconds(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    await stub.WaitJob(WaitJobRequest(job_id=ID))

    assert service.calls == [("wait", ID, timedelta(seconds=30))]


async def test_a_wait_ends_before_its_call_does(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    await stub.WaitJob(WaitJobRequest(job_id=ID, timeout=Duration(seconds=60)), timeout=10)

    assert timedelta(seconds=8) < service.calls[0][2] <= timedelta(seconds=9.5)


@pytest.mark.parametrize(
    ("asked", "remaining", "wait"), [(30, None, 30), (30, 40.0, 30), (30, 20.2, 19.5), (30, 0.2, 0), (0, 20.0, 0)]
)
def test_a_wait_is_what_was_asked_or_half_a_second_less_than_is_left(
    asked: int, remaining: float | None, wait: float
) -> None:
    assert wait_of(timedelta(seconds=asked), remaining) == timedelta(seconds=wait)


async def test_a_job_is_cancelled(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    answer = await stub.CancelJob(CancelJobRequest(job_id=ID, reason="late", force=True))

    assert service.calls == [("cancel", ID, "late", True)]
    assert answer.job == job_message(a_job(), full=False)


@pytest.mark.parametrize("run_at", [None, datetime(2030, 1, 1, tzinfo=UTC)])
async def test_a_job_is_retried(stub: JobServiceAsyncStub, service: ScriptedService, run_at: datetime | None) -> None:
    request = RetryJobRequest(job_id=ID)
    if run_at is not None:
        request.run_at.FromDatetime(run_at)

    answer = await stub.RetryJob(request)

    assert service.calls == [("retry", ID, run_at)]
    assert answer.job == job_message(a_job(), full=False)


async def test_a_job_is_deleted(stub: JobServiceAsyncStub, service: ScriptedService) -> None:
    answer = await stub.DeleteJob(DeleteJobRequest(job_id=ID, allow_missing=True))

    assert service.calls == [("delete", ID, False, True)]
    assert answer == DeleteJobResponse()


async def test_a_server_tells_what_it_is(channel: grpc.aio.Channel) -> None:
    stub = admin_service_pb2_grpc.AdminServiceStub(channel)

    answer = await stub.GetServerInfo(admin_service_pb2.GetServerInfoRequest())

    assert abs(answer.server_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) < timedelta(seconds=10)
    answer.ClearField("server_time")
    assert answer == admin_service_pb2.GetServerInfoResponse(
        version="1.2.3",
        server_id="server-a",
        max_message_bytes=4 * 1024 * 1024,
        max_payload_bytes=262_144,
        idempotency_window=Duration(seconds=86_400),
        event_retention=Duration(seconds=7 * 86_400),
        features=["stream-enqueue"],
    )


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (errors.JobNotFound(job_id=ID), "NOT_FOUND", "JOB_NOT_FOUND"),
        (errors.JobTerminal(job_id=ID, status="failed"), "FAILED_PRECONDITION", "JOB_TERMINAL"),
        (errors.DatabaseUnavailable(), "UNAVAILABLE", "DATABASE_UNAVAILABLE"),
        (errors.StorageFull(), "RESOURCE_EXHAUSTED", "STORAGE_FULL"),
    ],
)
async def test_what_the_service_refuses_is_told_with_its_reason(
    stub: JobServiceAsyncStub, service: ScriptedService, error: errors.GosynqError, code: str, reason: str
) -> None:
    service.answers["cancel"] = error

    refusal = await refusal_of(stub.CancelJob(CancelJobRequest(job_id=ID)))

    assert (refusal.code, refusal.reason, refusal.message) == (code, reason, str(error))
    assert refusal.metadata == error.metadata
