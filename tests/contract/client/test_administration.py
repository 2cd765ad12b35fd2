"""Dead letters, workers, many jobs at once, and why a job waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq.v1 import admin_service_pb2, job_pb2, job_service_pb2, worker_pb2
from gosynq_client import (
    BulkSummary,
    Client,
    Explanation,
    HoldReason,
    HoldType,
    JobStatus,
    WorkerInfo,
    WorkerProgram,
    WorkerQueue,
    WorkerState,
)
from tests.contract.client.scripted import Script

SOME = job_service_pb2.BulkSummary(affected=2, skipped=1, more=True, sample_job_ids=["a", "b"], next_page_token="on")
REST = job_service_pb2.BulkSummary(affected=1, sample_job_ids=["c"])
BOTH = [
    BulkSummary(affected=2, skipped=1, more=True, sample_job_ids=("a", "b"), next_page_token="on"),
    BulkSummary(affected=3, skipped=1, sample_job_ids=("a", "b", "c")),
]
BY_FILTER = job_service_pb2.JobSelector(filter='queue = "mail"')


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def test_jobs_are_cancelled_until_there_are_no_more(script: Script, client: Client) -> None:
    script.answer(
        "BulkCancelJobs",
        job_service_pb2.BulkCancelJobsResponse(summary=SOME),
        job_service_pb2.BulkCancelJobsResponse(summary=REST),
    )

    assert [done async for done in client.bulk_cancel(filter='queue = "mail"', reason="why", limit=2)] == BOTH
    assert script.requests("BulkCancelJobs") == [
        job_service_pb2.BulkCancelJobsRequest(selector=BY_FILTER, reason="why", limit=2),
        job_service_pb2.BulkCancelJobsRequest(selector=BY_FILTER, reason="why", limit=2, page_token="on"),
    ]


async def test_jobs_are_retried_by_their_ids(script: Script, client: Client) -> None:
    script.answer("BulkRetryJobs", job_service_pb2.BulkRetryJobsResponse(summary=REST))

    [done] = [done async for done in client.bulk_retry(job_ids=["c"], run_at=moment(5))]

    assert done.affected == 1
    selector = job_service_pb2.JobSelector(ids=job_service_pb2.JobIdList(job_ids=["c"]))
    assert script.requests("BulkRetryJobs") == [
        job_service_pb2.BulkRetryJobsRequest(selector=selector, run_at=Timestamp(seconds=5))
    ]


async def test_what_would_be_deleted_is_counted_to_the_end_from_where_it_is_said(
    script: Script, client: Client
) -> None:
    script.answer(
        "BulkDeleteJobs",
        job_service_pb2.BulkDeleteJobsResponse(summary=SOME),
        job_service_pb2.BulkDeleteJobsResponse(summary=REST),
    )

    would = client.bulk_delete(filter='queue = "mail"', validate_only=True, page_token="from")

    assert [done async for done in would] == BOTH
    assert script.requests("BulkDeleteJobs") == [
        job_service_pb2.BulkDeleteJobsRequest(selector=BY_FILTER, validate_only=True, page_token=token)
        for token in ("from", "on")
    ]


async def test_a_call_that_finds_nothing_for_a_while_is_followed_by_the_next(script: Script, client: Client) -> None:
    nothing = job_service_pb2.BulkSummary(more=True, next_page_token="on")
    script.answer(
        "BulkDeleteJobs",
        job_service_pb2.BulkDeleteJobsResponse(summary=nothing),
        job_service_pb2.BulkDeleteJobsResponse(summary=REST),
    )

    assert [done.affected async for done in client.bulk_delete(filter='queue = "mail"')] == [0, 1]


def test_jobs_are_meant_by_ids_or_by_a_filter(client: Client) -> None:
    with pytest.raises(ValueError, match="either job_ids or a filter"):
        client.bulk_delete()
    with pytest.raises(ValueError, match="either job_ids or a filter"):
        client.bulk_delete(job_ids=["a"], filter='id != ""')
    with pytest.raises(TypeError, match="there is no option 'queue'"):
        client.bulk_delete(queue="mail")  # type: ignore[call-arg]  # what it is about


async def test_a_job_is_explained(script: Script, client: Client) -> None:
    reason = job_service_pb2.HoldReason(
        type=job_service_pb2.HOLD_TYPE_QUEUE_CONCURRENCY, message="2 of 2 run", count=2, limit=2
    )
    strange = job_service_pb2.HoldReason(type=99, message="new", until=Timestamp(seconds=1), worker_id="w")  # type: ignore[arg-type]  # a newer server's
    script.answer(
        "ExplainJob",
        job_service_pb2.ExplainJobResponse(status=job_pb2.JOB_STATUS_PENDING, reasons=[reason, strange]),
    )

    assert await client.explain("job-1") == Explanation(
        status=JobStatus.PENDING,
        reasons=(
            HoldReason(
                type=HoldType.QUEUE_CONCURRENCY, message="2 of 2 run", until=None, count=2, limit=2, worker_id=""
            ),
            HoldReason(type=HoldType.UNKNOWN, message="new", until=moment(1), count=0, limit=0, worker_id="w"),
        ),
    )


async def test_dead_letters_are_listed_by_what_is_asked(script: Script, client: Client) -> None:
    script.answer(
        "ListDeadLetterJobs",
        admin_service_pb2.ListDeadLetterJobsResponse(jobs=[job_pb2.Job(id="1")], next_page_token="next"),
        admin_service_pb2.ListDeadLetterJobsResponse(jobs=[job_pb2.Job(id="2")]),
    )

    found = client.dead_letters.list(
        queues=["mail"], kinds=["k"], error_type="Smtp", start_at=moment(1), end_at=moment(2), full=True, page_size=1
    )

    assert [job.id async for job in found] == ["1", "2"]
    assert script.requests("ListDeadLetterJobs")[0] == admin_service_pb2.ListDeadLetterJobsRequest(
        queue=["mail"],
        kind=["k"],
        error_type="Smtp",
        start_at=Timestamp(seconds=1),
        end_at=Timestamp(seconds=2),
        page_size=1,
        view=job_pb2.JOB_VIEW_FULL,
    )


async def test_dead_letters_are_redriven_into_another_queue_over_a_time(script: Script, client: Client) -> None:
    script.answer(
        "RedriveDeadLetterJobs",
        admin_service_pb2.RedriveDeadLetterJobsResponse(summary=SOME),
        admin_service_pb2.RedriveDeadLetterJobsResponse(summary=REST),
    )

    redrive = client.dead_letters.redrive(
        to="slow", run_at=moment(5), spread=timedelta(minutes=10), filter='queue = "mail"'
    )

    assert [done async for done in redrive] == BOTH
    assert script.requests("RedriveDeadLetterJobs")[0] == admin_service_pb2.RedriveDeadLetterJobsRequest(
        selector=BY_FILTER, target_queue="slow", run_at=Timestamp(seconds=5), spread=Duration(seconds=600)
    )


async def test_dead_letters_are_purged(script: Script, client: Client) -> None:
    script.answer("PurgeDeadLetterJobs", admin_service_pb2.PurgeDeadLetterJobsResponse(summary=REST))

    [done] = [done async for done in client.dead_letters.purge(filter='queue = "mail"', limit=5)]

    assert done.affected == 1
    assert script.requests("PurgeDeadLetterJobs") == [
        admin_service_pb2.PurgeDeadLetterJobsRequest(selector=BY_FILTER, limit=5)
    ]


async def test_workers_are_listed_and_told_to_drain(script: Script, client: Client) -> None:
    worker = worker_pb2.WorkerInfo(
        worker_id="w",
        state=worker_pb2.WORKER_STATE_DRAINING,
        queues=[worker_pb2.QueueSubscription(queue="mail", weight=3, max_in_flight=0)],
        kinds=["k"],
        runtime=worker_pb2.WorkerRuntime(sdk="s", language="l", build="b", host="h"),
        in_flight=1,
        max_in_flight=10,
        connected_at=Timestamp(seconds=1),
        last_seen_at=Timestamp(seconds=2),
        server_id="server-a",
    )
    script.answer("ListWorkers", admin_service_pb2.ListWorkersResponse(workers=[worker]))
    script.answer("DrainWorker", admin_service_pb2.DrainWorkerResponse(worker=worker))
    expected = WorkerInfo(
        worker_id="w",
        state=WorkerState.DRAINING,
        queues=(WorkerQueue(queue="mail", weight=3, max_in_flight=0),),
        kinds=("k",),
        runtime=WorkerProgram(sdk="s", language="l", build="b", host="h"),
        in_flight=1,
        max_in_flight=10,
        connected_at=moment(1),
        last_seen_at=moment(2),
        server_id="server-a",
    )

    assert [each async for each in client.workers.list(queue="mail")] == [expected]
    assert await client.workers.drain("w", reason="why") == expected

    assert script.requests("ListWorkers") == [admin_service_pb2.ListWorkersRequest(queue="mail")]
    assert script.requests("DrainWorker") == [admin_service_pb2.DrainWorkerRequest(worker_id="w", reason="why")]
