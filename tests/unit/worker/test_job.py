"""A job as its handler sees it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gosynq_client.worker import Job, JobFailure
from gosynq_client.worker.leases import ProgressReport
from tests.unit.worker.memory_source import A_LEASE, a_lease


def a_job(**changes: object) -> Job:
    return Job(a_lease(**changes), lambda report: None)


def test_a_job_tells_what_its_lease_says() -> None:
    job = a_job()
    told = {name: getattr(job, name) for name in ("queue", "kind", "priority", "attempt", "lease_seq", "max_retries")}
    assert told == {name: getattr(A_LEASE, name) for name in told}
    assert (job.id, job.payload_bytes, job.content_type) == (A_LEASE.job_id, A_LEASE.payload, A_LEASE.content_type)
    assert (job.labels, job.headers) == (A_LEASE.labels, A_LEASE.headers)
    assert (job.created_at, job.run_at) == (A_LEASE.created_at, A_LEASE.run_at)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_json_payload_is_decoded_once(content_type: str) -> None:
    job = a_job(content_type=content_type)
    assert job.payload == {"to": "ada"}
    assert job.payload is job.payload


def test_another_payload_is_its_bytes() -> None:
    assert a_job(payload=b"\x00{", content_type="image/png").payload == b"\x00{"


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_payload_that_is_not_the_json_it_says_fails_for_good(payload: bytes) -> None:
    with pytest.raises(JobFailure, match="not JSON") as caught:
        _ = a_job(payload=payload).payload
    assert (caught.value.type, caught.value.non_retryable) == ("InvalidPayload", True)


async def test_progress_is_reported_from_either_kind_of_handler() -> None:
    reports: list[ProgressReport] = []
    job = Job(A_LEASE, reports.append)
    await job.progress(1, 2, "half")
    job.progress_sync(2)
    assert reports == [
        ProgressReport(lease=A_LEASE, current=1, total=2, message="half"),
        ProgressReport(lease=A_LEASE, current=2, total=0, message=""),
    ]


@pytest.mark.parametrize(("current", "total"), [(-1, 0), (0, -1), (2**63, 0), (0, 2**70)])
def test_progress_beyond_its_bounds_is_refused(current: int, total: int) -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        a_job().progress_sync(current, total)


@pytest.mark.parametrize("current", [1.5, Decimal(1), "1", None])
def test_progress_that_is_no_whole_number_is_refused(current: Any) -> None:
    with pytest.raises(TypeError):
        a_job().progress_sync(current)


def test_a_long_progress_message_is_cut() -> None:
    reports: list[ProgressReport] = []
    Job(A_LEASE, reports.append).progress_sync(1, message="x" * 2000)
    assert len(reports[0].message) == 1024


def test_a_cancel_can_be_asked_for() -> None:
    job = a_job()
    before = job.cancel_requested
    job.request_cancel()
    assert (before, job.cancel_requested) == (False, True)
