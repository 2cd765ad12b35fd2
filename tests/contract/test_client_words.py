"""The client's words beside the contract's: none may be missing, none spelled otherwise."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import Any

import pytest

from gosynq.v1 import admin_service_pb2, error_reason_pb2, event_pb2, event_service_pb2, job_pb2
from gosynq_client import (
    Attempt,
    AttemptOutcome,
    BackoffStrategy,
    EventListOptions,
    EventType,
    Job,
    JobError,
    JobEvent,
    JobOptions,
    JobProgress,
    JobRequest,
    JobStatus,
    Priority,
    RetryPolicy,
    ServerInfo,
    WatchOptions,
)
from gosynq_client.enums import EVENT_TYPES, OUTCOMES, PRIORITIES, STATUSES, STRATEGIES
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
