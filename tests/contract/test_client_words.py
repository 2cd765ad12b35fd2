"""The client's words beside the contract's: none may be missing, none spelled otherwise."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any

import pytest
from google.api import field_behavior_pb2

from gosynq.v1 import (
    admin_service_pb2,
    error_reason_pb2,
    event_pb2,
    event_service_pb2,
    job_pb2,
    job_service_pb2,
    queue_pb2,
    queue_service_pb2,
    schedule_pb2,
    worker_pb2,
)
from gosynq_client import (
    Attempt,
    AttemptOutcome,
    BackoffStrategy,
    BulkSummary,
    CatchUpPolicy,
    DeadLetterFilters,
    DebounceMode,
    EventListOptions,
    EventType,
    Explanation,
    HoldReason,
    HoldType,
    Job,
    JobError,
    JobEvent,
    JobOptions,
    JobProgress,
    JobRequest,
    JobStatus,
    JobTotals,
    OverlapPolicy,
    Priority,
    Queue,
    QueueDefaults,
    QueueLimits,
    QueueOrder,
    QueueState,
    QueueStats,
    RetryPolicy,
    Schedule,
    ScheduleOptions,
    ServerInfo,
    WatchOptions,
    WorkerInfo,
    WorkerProgram,
    WorkerQueue,
    WorkerState,
)
from gosynq_client.enums import (
    CATCH_UP_POLICIES,
    DEBOUNCE_MODES,
    EVENT_TYPES,
    HOLD_TYPES,
    OUTCOMES,
    OVERLAP_POLICIES,
    PRIORITIES,
    QUEUE_STATES,
    STATUSES,
    STRATEGIES,
    WORKER_STATES,
)
from gosynq_client.statuses import ERRORS_BY_REASON


def test_every_reason_of_the_contract_has_its_error() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118 - no dict

    assert ERRORS_BY_REASON.keys() == reasons - {"UNSPECIFIED"}


def test_an_error_is_named_as_its_reason() -> None:
    named = {"INTERNAL": "InternalError"}
    for reason, error in ERRORS_BY_REASON.items():
        assert error.__name__ == named.get(reason, reason.title().replace("_", ""))


@pytest.mark.parametrize(
    ("table", "contract", "members", "unspecified"),
    [
        (STATUSES, job_pb2.JobStatus, JobStatus, None),
        (PRIORITIES, job_pb2.JobPriority, Priority, None),
        (STRATEGIES, job_pb2.BackoffStrategy, BackoffStrategy, None),
        (OUTCOMES, job_pb2.AttemptOutcome, AttemptOutcome, AttemptOutcome.RUNNING),
        (EVENT_TYPES, event_pb2.EventType, EventType, None),
        (DEBOUNCE_MODES, job_pb2.DebounceMode, DebounceMode, None),
        (QUEUE_STATES, queue_pb2.QueueState, QueueState, None),
        (OVERLAP_POLICIES, schedule_pb2.OverlapPolicy, OverlapPolicy, None),
        (CATCH_UP_POLICIES, schedule_pb2.CatchUpPolicy, CatchUpPolicy, None),
        (WORKER_STATES, worker_pb2.WorkerState, WorkerState, None),
        (HOLD_TYPES, job_service_pb2.HoldType, HoldType, None),
    ],
)
def test_an_enum_has_the_contracts_members_in_lower_case(
    table: dict[int, StrEnum], contract: Any, members: type[StrEnum], unspecified: StrEnum | None
) -> None:
    prefix = contract.Name(0).removesuffix("UNSPECIFIED")
    expected = {number: name.removeprefix(prefix).lower() for name, number in contract.items() if number}
    if unspecified is not None:
        expected[0] = unspecified.value

    assert {number: member.value for number, member in table.items()} == expected
    assert set(members) - set(table.values()) == {members("unknown")}


@pytest.mark.parametrize(
    ("value", "message", "left_out"),
    [
        (Job, job_pb2.Job, {"payload_bytes", "result_bytes"}),
        (JobRequest, job_pb2.JobSpec, {"payload_bytes"}),
        (JobError, job_pb2.JobError, set()),
        (JobProgress, job_pb2.JobProgress, set()),
        (Attempt, job_pb2.JobAttempt, set()),
        (RetryPolicy, job_pb2.RetryPolicy, set()),
        (JobEvent, event_pb2.JobEvent, set()),
        (ServerInfo, admin_service_pb2.GetServerInfoResponse, set()),
        (BulkSummary, job_service_pb2.BulkSummary, set()),
        (Explanation, job_service_pb2.ExplainJobResponse, set()),
        (HoldReason, job_service_pb2.HoldReason, set()),
        (Queue, queue_pb2.Queue, set()),
        (QueueLimits, queue_pb2.QueueLimits, set()),
        (QueueDefaults, queue_pb2.QueueDefaults, set()),
        (QueueOrder, queue_pb2.QueueOrder, set()),
        (QueueStats, queue_pb2.QueueStats, set()),
        (JobTotals, queue_service_pb2.GetStatsResponse, set()),
        (Schedule, schedule_pb2.Schedule, set()),
        (WorkerInfo, worker_pb2.WorkerInfo, set()),
        (WorkerQueue, worker_pb2.QueueSubscription, set()),
        (WorkerProgram, worker_pb2.WorkerRuntime, set()),
    ],
)
def test_a_value_has_the_fields_of_its_message(value: Any, message: Any, left_out: set[str]) -> None:
    fields = {field.name for field in dataclasses.fields(value)}

    assert fields == set(message.DESCRIPTOR.fields_by_name) - left_out


def test_the_options_of_an_enqueue_are_the_fields_of_a_request() -> None:
    fields = {field.name: field.type for field in dataclasses.fields(JobRequest)}

    assert {name: type_.__forward_arg__ for name, type_ in JobOptions.__annotations__.items()} == {
        name: type_ for name, type_ in fields.items() if name not in {"kind", "payload"}
    }


@pytest.mark.parametrize(
    ("options", "message", "left_out", "own"),
    [
        (EventListOptions, event_service_pb2.ListEventsRequest, {"page_token"}, set()),
        (WatchOptions, event_service_pb2.WatchEventsRequest, {"snapshot"}, {"give_up_after", "on_connection"}),
    ],
)
def test_events_can_be_asked_for_by_each_field_of_the_request(
    options: Any, message: Any, left_out: set[str], own: set[str]
) -> None:
    assert set(options.__annotations__) - own == set(message.DESCRIPTOR.fields_by_name) - left_out


def test_dead_letters_can_be_asked_for_by_each_field_of_the_request() -> None:
    fields = set(admin_service_pb2.ListDeadLetterJobsRequest.DESCRIPTOR.fields_by_name)
    renamed = {"queues": "queue", "kinds": "kind", "full": "view"}

    assert {renamed.get(name, name) for name in DeadLetterFilters.__annotations__} == fields - {"page_token"}


def test_a_schedule_can_be_said_by_each_field_of_it_that_is_the_callers() -> None:
    fields = schedule_pb2.Schedule.DESCRIPTOR.fields
    output_only = {
        field.name
        for field in fields
        if field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    }

    assert set(ScheduleOptions.__annotations__) == {field.name for field in fields} - output_only - {"id", "etag"}
