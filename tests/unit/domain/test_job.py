from datetime import UTC, datetime, timedelta

from gosynq_server.domain.job import Job, JobId, JobStatus, Priority, Stage
from gosynq_server.domain.retry import RetryPolicy

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_an_attempt_is_counted_whether_it_failed_or_its_worker_was_lost() -> None:
    job = Job(
        id=JobId("01977420-dc00-73ff-8123-456789abcdef"),
        queue="q",
        kind="k",
        status=JobStatus.PENDING,
        stage=Stage.SCHEDULED,
        priority=Priority.NORMAL,
        payload=None,
        content_type="application/json",
        max_retries=4,
        max_deliveries=5,
        failures=2,
        deliveries=3,
        retry_policy=RetryPolicy(),
        lease_duration=timedelta(seconds=30),
        attempt_timeout=None,
        retention=timedelta(days=1),
        created_at=NOON,
        run_at=NOON,
        updated_at=NOON,
    )

    assert job.attempt == 5
