from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from gosynq.v1 import job_pb2, job_service_pb2
from gosynq_client import BackoffStrategy, DebounceMode, EventType, JobRequest, JobStatus, Priority, RetryPolicy
from gosynq_client.event_filters import WatchOptions
from gosynq_client.requests import first_events, first_page, job_spec, watch_events, with_key

BARE = job_pb2.JobSpec(queue="default", kind="k", payload_bytes=b"{}", content_type="application/json")


def test_a_request_of_a_kind_alone_leaves_all_else_to_the_queue() -> None:
    assert job_spec(JobRequest("k")) == BARE


def test_zero_retries_differ_from_none_said() -> None:
    assert job_spec(JobRequest("k", max_retries=0)).HasField("max_retries")
    assert not job_spec(JobRequest("k")).HasField("max_retries")


def test_a_retry_policy_may_say_a_part_only() -> None:
    spec = job_spec(JobRequest("k", retry_policy=RetryPolicy(multiplier=3.0)))

    assert spec.retry_policy == job_pb2.RetryPolicy(multiplier=3.0)
    assert not spec.retry_policy.HasField("jitter")


def test_a_start_and_a_delay_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="run_at and delay exclude each other"):
        job_spec(JobRequest("k", run_at=datetime(2030, 1, 1, tzinfo=UTC), delay=timedelta(seconds=1)))


def test_an_unknown_priority_can_not_be_sent() -> None:
    with pytest.raises(ValueError, match="one of low, normal, high, critical can"):
        job_spec(JobRequest("k", priority=Priority.UNKNOWN))


def test_an_unknown_strategy_can_not_be_sent() -> None:
    with pytest.raises(ValueError, match="one of fixed, exponential can"):
        job_spec(JobRequest("k", retry_policy=RetryPolicy(strategy=BackoffStrategy.UNKNOWN)))


def test_an_unknown_status_can_not_be_asked_for() -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        first_page({"statuses": [JobStatus.UNKNOWN]})


def test_a_list_without_conditions_is_the_newest_jobs_without_their_content() -> None:
    assert first_page({}) == job_service_pb2.ListJobsRequest(view=job_pb2.JOB_VIEW_BASIC)


def test_a_key_is_made_only_where_the_caller_said_nothing() -> None:
    made = with_key(JobRequest("k"))

    assert made.idempotency_key is not None
    assert uuid.UUID(made.idempotency_key).version == 4
    assert with_key(made) is made
    assert with_key(JobRequest("k", idempotency_key="mine")).idempotency_key == "mine"
    assert with_key(JobRequest("k", idempotency_key="")).idempotency_key == ""


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"cursor": "c", "from_oldest": True}, "cursor and from_oldest"),
        ({"cursor": "c", "start_at": datetime(2030, 1, 1, tzinfo=UTC)}, "cursor and start_at"),
    ],
    ids=["cursor and oldest", "cursor and moment"],
)
def test_a_watch_begins_at_one_place(options: WatchOptions, named: str) -> None:
    with pytest.raises(ValueError, match=f"{named} exclude each other"):
        watch_events(options, snapshot=False)


def test_a_place_that_was_not_chosen_is_none() -> None:
    request = watch_events({"cursor": None, "start_at": None, "from_oldest": False}, snapshot=False)

    assert request.WhichOneof("start") is None


def test_an_empty_cursor_is_no_beginning_of_today_but_for_the_server_to_refuse() -> None:
    assert watch_events({"cursor": ""}, snapshot=False).WhichOneof("start") == "cursor"


def test_an_unknown_event_type_can_not_be_asked_for() -> None:
    with pytest.raises(ValueError, match="can't be sent"):
        first_events({"types": [EventType.UNKNOWN]})


def test_no_idempotency_key_is_made_beside_a_debounce_key() -> None:
    debounced = JobRequest("k", debounce_key="d")

    assert with_key(debounced) is debounced


def test_the_keys_of_a_job_are_said() -> None:
    request = JobRequest(
        "k",
        concurrency_key="c",
        ordering_key="o",
        fairness_key="f",
        debounce_key="d",
        debounce_mode=DebounceMode.RESCHEDULE,
    )

    spec = job_spec(request)

    assert (spec.concurrency_key, spec.ordering_key, spec.fairness_key, spec.debounce_key) == ("c", "o", "f", "d")
    assert spec.debounce_mode == job_pb2.DEBOUNCE_MODE_RESCHEDULE


def test_an_unknown_debounce_mode_can_not_be_sent() -> None:
    with pytest.raises(ValueError, match="one of keep, replace, reschedule can"):
        job_spec(JobRequest("k", debounce_key="d", debounce_mode=DebounceMode.UNKNOWN))
