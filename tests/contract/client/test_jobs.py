"""Looking after jobs, over a real connection."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from gosynq.v1 import admin_service_pb2, job_pb2, job_service_pb2
from gosynq_client import (
    AttemptOutcome,
    Client,
    JobNotDone,
    JobNotFound,
    JobProcessing,
    JobStatus,
    JobTerminal,
    Priority,
    Unavailable,
)
from tests.contract.client.scripted import UNAVAILABLE, Script, status

COMPLETED = job_pb2.Job(id="job-1", status=job_pb2.JOB_STATUS_COMPLETED)
PENDING = job_pb2.Job(id="job-1", status=job_pb2.JOB_STATUS_PENDING)
NOT_DONE = job_service_pb2.WaitJobResponse(done=False, job=PENDING)


def refused(code: grpc.StatusCode, reason: str) -> status_pb2.Status:
    return status(code, reason.lower(), error_details_pb2.ErrorInfo(domain="gosynq", reason=reason))


async def test_a_job_is_read_by_its_id(script: Script, client: Client) -> None:
    job = job_pb2.Job(id="job-1", payload_bytes=b'{"n":9007199254740993}', content_type="application/json")
    script.answer("GetJob", job_service_pb2.GetJobResponse(job=job))

    read = await client.get("job-1")

    assert script.requests("GetJob") == [job_service_pb2.GetJobRequest(job_id="job-1")]
    assert (read.id, read.payload) == ("job-1", {"n": 9007199254740993})


async def test_reading_is_tried_again(script: Script, client: Client) -> None:
    script.answer("GetJob", UNAVAILABLE, job_service_pb2.GetJobResponse(job=COMPLETED))

    assert (await client.get("job-1")).done


async def test_a_job_that_is_not_there_is_an_error_of_its_own(script: Script, client: Client) -> None:
    script.answer("GetJob", refused(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))

    with pytest.raises(JobNotFound) as caught:
        await client.get("job-1")

    assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "JOB_NOT_FOUND")


async def test_a_list_goes_on_from_page_to_page_with_the_same_conditions(script: Script, client: Client) -> None:
    script.answer(
        "ListJobs",
        job_service_pb2.ListJobsResponse(jobs=[job_pb2.Job(id="1"), job_pb2.Job(id="2")], next_page_token="next"),
        job_service_pb2.ListJobsResponse(jobs=[job_pb2.Job(id="3")]),
    )

    found = [
        job.id
        async for job in client.list(
            statuses=[JobStatus.FAILED, JobStatus.CANCELLED],
            queues=["mail"],
            kinds=("send_email",),
            priorities=[Priority.LOW],
            filter="attempt > 1",
            oldest_first=True,
            full=True,
            page_size=2,
        )
    ]

    first = job_service_pb2.ListJobsRequest(
        status=[job_pb2.JOB_STATUS_FAILED, job_pb2.JOB_STATUS_CANCELLED],
        queue=["mail"],
        kind=["send_email"],
        priority=[job_pb2.JOB_PRIORITY_LOW],
        filter="attempt > 1",
        order_by="created_at",
        page_size=2,
        view=job_pb2.JOB_VIEW_FULL,
    )
    second = job_service_pb2.ListJobsRequest()
    second.CopyFrom(first)
    second.page_token = "next"
    assert found == ["1", "2", "3"]
    assert script.requests("ListJobs") == [first, second]


async def test_pages_are_asked_for_only_as_they_are_taken(script: Script, client: Client) -> None:
    script.answer("ListJobs", job_service_pb2.ListJobsResponse(jobs=[job_pb2.Job(id="1")], next_page_token="next"))

    first = await anext(client.list())

    assert first.id == "1"
    assert script.requests("ListJobs") == [job_service_pb2.ListJobsRequest(view=job_pb2.JOB_VIEW_BASIC)]


async def test_an_empty_page_does_not_end_a_list(script: Script, client: Client) -> None:
    script.answer(
        "ListJobs",
        job_service_pb2.ListJobsResponse(next_page_token="next"),
        job_service_pb2.ListJobsResponse(jobs=[job_pb2.Job(id="1")]),
    )

    assert [job.id async for job in client.list()] == ["1"]


async def test_attempts_go_on_from_page_to_page(script: Script, client: Client) -> None:
    script.answer(
        "ListJobAttempts",
        job_service_pb2.ListJobAttemptsResponse(
            attempts=[job_pb2.JobAttempt(lease_sequence=2)], next_page_token="next"
        ),
        job_service_pb2.ListJobAttemptsResponse(
            attempts=[job_pb2.JobAttempt(lease_sequence=1, outcome=job_pb2.ATTEMPT_OUTCOME_FAILED)]
        ),
    )

    attempts = [(attempt.lease_sequence, attempt.outcome) async for attempt in client.attempts("job-1")]

    assert attempts == [(2, AttemptOutcome.RUNNING), (1, AttemptOutcome.FAILED)]
    assert [request.page_token for request in script.requests("ListJobAttempts")] == ["", "next"]


async def test_waiting_gives_the_job_when_it_is_done(script: Script, client: Client) -> None:
    script.answer("WaitJob", job_service_pb2.WaitJobResponse(done=True, job=COMPLETED))

    job = await client.wait("job-1")

    assert (job.id, job.status, job.done) == ("job-1", JobStatus.COMPLETED, True)


async def test_waiting_asks_again_until_the_job_is_done(script: Script, client: Client) -> None:
    script.answer("WaitJob", NOT_DONE, job_service_pb2.WaitJobResponse(done=True, job=COMPLETED))

    job = await client.wait("job-1", timedelta(minutes=5))

    assert job.done
    assert [request.timeout.seconds for request in script.requests("WaitJob")] == [30, 30]


async def test_waiting_leaves_the_call_two_seconds_more_than_it_asks_for(script: Script, client: Client) -> None:
    script.answer("WaitJob", job_service_pb2.WaitJobResponse(done=True, job=COMPLETED))

    await client.wait("job-1", timedelta(seconds=10))

    [call] = script.received["WaitJob"]
    assert call.seconds == pytest.approx(12, abs=0.5)
    assert call.request.timeout.ToTimedelta() == pytest.approx(timedelta(seconds=10), abs=timedelta(seconds=1))


async def test_time_that_is_up_before_the_job_is_done_is_an_error_with_the_job(script: Script, client: Client) -> None:
    script.answer("WaitJob", NOT_DONE)

    with pytest.raises(JobNotDone, match="job job-1 is still pending") as caught:
        await client.wait("job-1", timedelta())

    assert isinstance(caught.value, TimeoutError)
    assert caught.value.job.status is JobStatus.PENDING
    assert script.requests("WaitJob")[0].HasField("timeout")


async def test_an_answer_that_comes_early_does_not_end_the_wait(script: Script, client: Client) -> None:
    script.answer("WaitJob", *[NOT_DONE] * 20)
    started = asyncio.get_running_loop().time()

    with pytest.raises(JobNotDone):
        await client.wait("job-1", timedelta(milliseconds=300))

    assert asyncio.get_running_loop().time() - started >= 0.3
    assert len(script.requests("WaitJob")) <= 4


async def test_a_job_that_ends_while_the_client_waits_in_vain_is_told_by_the_last_question(
    script: Script, client: Client
) -> None:
    script.answer("WaitJob", NOT_DONE, job_service_pb2.WaitJobResponse(done=True, job=COMPLETED))

    assert (await client.wait("job-1", timedelta(milliseconds=100))).done


async def test_cancelling_tells_why(script: Script, client: Client) -> None:
    job = job_pb2.Job(id="job-1", status=job_pb2.JOB_STATUS_CANCELLED)
    script.answer("CancelJob", job_service_pb2.CancelJobResponse(job=job))

    cancelled = await client.cancel("job-1", reason="mistake", force=True)

    assert cancelled.status is JobStatus.CANCELLED
    assert script.requests("CancelJob") == [
        job_service_pb2.CancelJobRequest(job_id="job-1", reason="mistake", force=True)
    ]


async def test_a_job_that_is_over_can_not_be_cancelled(script: Script, client: Client) -> None:
    script.answer("CancelJob", refused(grpc.StatusCode.FAILED_PRECONDITION, "JOB_TERMINAL"))

    with pytest.raises(JobTerminal):
        await client.cancel("job-1")


async def test_a_retry_may_name_its_moment(script: Script, client: Client) -> None:
    script.answer("RetryJob", job_service_pb2.RetryJobResponse(job=PENDING))

    job = await client.retry("job-1", run_at=datetime(2030, 1, 1, tzinfo=UTC))

    assert job.status is JobStatus.PENDING
    assert script.requests("RetryJob")[0].run_at.ToJsonString() == "2030-01-01T00:00:00Z"


async def test_a_retry_is_not_itself_tried_again(script: Script, client: Client) -> None:
    script.answer("RetryJob", UNAVAILABLE, job_service_pb2.RetryJobResponse(job=PENDING))

    with pytest.raises(Unavailable):
        await client.retry("job-1")

    assert script.requests("RetryJob") == [job_service_pb2.RetryJobRequest(job_id="job-1")]


async def test_deleting_passes_on_what_is_allowed(script: Script, client: Client) -> None:
    script.answer("DeleteJob", job_service_pb2.DeleteJobResponse())

    await client.delete("job-1", force=True, allow_missing=True)

    assert script.requests("DeleteJob") == [
        job_service_pb2.DeleteJobRequest(job_id="job-1", force=True, allow_missing=True)
    ]


async def test_a_job_that_a_worker_has_is_not_deleted(script: Script, client: Client) -> None:
    script.answer("DeleteJob", refused(grpc.StatusCode.FAILED_PRECONDITION, "JOB_PROCESSING"))

    with pytest.raises(JobProcessing):
        await client.delete("job-1")


async def test_a_server_tells_of_its_limits(script: Script, client: Client) -> None:
    response = admin_service_pb2.GetServerInfoResponse(version="1.2", max_payload_bytes=262144, features=["rest"])
    response.idempotency_window.FromTimedelta(timedelta(hours=24))
    script.answer("GetServerInfo", response)

    info = await client.server_info()

    assert (info.version, info.max_payload_bytes, info.features) == ("1.2", 262144, ("rest",))
    assert info.idempotency_window == timedelta(hours=24)
