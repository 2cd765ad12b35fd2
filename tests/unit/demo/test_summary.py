from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gosynq_client import Job, JobError, JobRequest, JobStatus, Priority, RetryPolicy
from gosynq_server.demo.plan import PlannedJob
from gosynq_server.demo.summary import KindCounts, Latency, count_kinds, latency, summarize, surprises

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ERROR = JobError(
    type="Boom", message="m", stack_trace="", non_retryable=False, details=None, attempt=1, occurred_at=NOW
)
PLAN = PlannedJob(request=JobRequest("a"))


def job(job_id: str, *, kind: str = "a", status: JobStatus = JobStatus.COMPLETED, attempt: int = 1) -> Job:
    return Job(
        id=job_id,
        queue="q",
        kind=kind,
        status=status,
        priority=Priority.NORMAL,
        payload=None,
        content_type="",
        max_retries=4,
        max_deliveries=5,
        attempt=attempt,
        retry_policy=RetryPolicy(),
        run_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        started_at=NOW + timedelta(milliseconds=100),
        finished_at=NOW + timedelta(milliseconds=500),
        expires_at=None,
        idempotency_key="",
        labels={},
        headers={},
        locked_by="",
        locked_at=None,
        lease_expires_at=None,
        lease_duration=timedelta(seconds=30),
        attempt_timeout=None,
        retention=timedelta(hours=1),
        progress=None,
        result=None,
        result_content_type="",
        last_error=None,
        cancel_requested_at=None,
        dead_lettered_at=None,
        schedule_id="",
        revision=1,
        concurrency_key="",
        ordering_key="",
        fairness_key="",
    )


def test_jobs_are_counted_by_kind_and_status() -> None:
    jobs = [
        job("1"),
        job("2", attempt=3),
        job("3", status=JobStatus.FAILED),
        job("4", kind="b", status=JobStatus.PENDING, attempt=0),
        job("5", kind="b", status=JobStatus.PROCESSING),
        job("6", kind="b", status=JobStatus.CANCELLED, attempt=0),
    ]
    assert count_kinds(jobs) == (
        KindCounts(kind="a", jobs=3, pending=0, processing=0, completed=2, failed=1, cancelled=0, retries=2),
        KindCounts(kind="b", jobs=3, pending=1, processing=1, completed=0, failed=0, cancelled=1, retries=0),
    )
    assert [counts.done for counts in count_kinds(jobs)] == [3, 1]


def test_what_ends_as_planned_is_no_surprise() -> None:
    plans = {"1": PLAN, "2": replace(PLAN, end=JobStatus.FAILED, attempts=2)}
    assert surprises(plans, [job("1"), job("2", status=JobStatus.FAILED, attempt=2)]) == ()


@pytest.mark.parametrize(
    ("jobs", "told"),
    [
        ([], "a 1 is gone"),
        ([job("1", attempt=2)], "a 1 ended completed after 2 attempts, not completed after 1"),
        ([job("1", status=JobStatus.PENDING)], "a 1 ended pending after 1 attempts, not completed after 1"),
        (
            [replace(job("1", status=JobStatus.FAILED), last_error=ERROR)],
            "a 1 ended failed after 1 attempts (Boom: m), not completed after 1",
        ),
    ],
)
def test_what_ends_otherwise_is_told(jobs: list[Job], told: str) -> None:
    assert surprises({"1": PLAN}, jobs) == (told,)


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert latency([timedelta(seconds=second) for second in range(100, 0, -1)]) == Latency(
        p50=timedelta(seconds=50), p99=timedelta(seconds=99)
    )
    assert latency([timedelta(seconds=7)]) == Latency(p50=timedelta(seconds=7), p99=timedelta(seconds=7))
    assert latency([]) == Latency(p50=timedelta(), p99=timedelta())


def test_rate_and_wait_leave_out_what_was_put_off_on_purpose() -> None:
    late = replace(job("2"), started_at=NOW + timedelta(hours=1), finished_at=NOW + timedelta(hours=1))
    summary = summarize({"1": PLAN, "2": replace(PLAN, direct=False)}, [job("1"), late], [timedelta(seconds=1)])
    assert summary.jobs_per_second == 2
    assert summary.wait.p99 == timedelta(milliseconds=100)
    assert summary.seconds == 3600
    assert summary.alone.p50 == timedelta(seconds=1)
    assert (summary.jobs, summary.retries, summary.surprises) == (2, 0, ())
