from collections import Counter
from datetime import UTC, datetime

import pytest

from gosynq_client import JobStatus, Priority
from gosynq_server.demo.files import sample_files
from gosynq_server.demo.handlers import handlers
from gosynq_server.demo.plan import PlannedJob, plan_jobs

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def planned() -> list[PlannedJob]:
    return plan_jobs(500, sample_files(), run="r1", now=NOW)


def test_the_plan_is_the_same_each_time(planned: list[PlannedJob]) -> None:
    assert plan_jobs(500, sample_files(), run="r1", now=NOW) == planned


def test_every_kind_that_is_planned_has_a_handler_and_every_handler_gets_jobs(planned: list[PlannedJob]) -> None:
    assert {job.request.kind for job in planned} == handlers.kinds


def test_every_priority_and_several_queues_are_used(planned: list[PlannedJob]) -> None:
    assert {job.request.priority for job in planned} == set(Priority) - {Priority.UNKNOWN}
    assert {job.request.queue for job in planned} == {"default", "files", "mail", "media", "reports"}


def test_jobs_are_planned_to_complete_fail_and_be_cancelled(planned: list[PlannedJob]) -> None:
    ends = Counter(job.end for job in planned)
    assert ends == {JobStatus.COMPLETED: 485, JobStatus.FAILED: 10, JobStatus.CANCELLED: 5}


def test_some_jobs_need_a_second_and_a_third_attempt(planned: list[PlannedJob]) -> None:
    attempts = Counter(job.attempts for job in planned if job.end is JobStatus.COMPLETED)
    assert set(attempts) == {1, 2, 3}


def test_some_jobs_are_put_off_until_their_data_is_ready(planned: list[PlannedJob]) -> None:
    assert [job.direct for job in planned if "data_ready_at" in job.request.payload] == [False] * 5


def test_no_two_jobs_share_a_key(planned: list[PlannedJob]) -> None:
    assert len({job.request.idempotency_key for job in planned}) == 500


def test_all_jobs_are_found_by_their_label(planned: list[PlannedJob]) -> None:
    assert all(job.request.labels == {"demo": "r1"} for job in planned)
