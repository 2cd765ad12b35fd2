"""Moments, lengths, texts and enums cross the edge unchanged, or are refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from gosynq.v1 import event_pb2, job_pb2
from gosynq_server.domain.errors import ValidationFailed
from gosynq_server.domain.job import AttemptOutcome, JobStatus, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.retry import BackoffStrategy
from gosynq_server.rpc import convert

SPELLINGS = [
    (JobStatus, job_pb2.JobStatus, "JOB_STATUS_", {"UNSPECIFIED"}),
    (Priority, job_pb2.JobPriority, "JOB_PRIORITY_", {"UNSPECIFIED"}),
    (BackoffStrategy, job_pb2.BackoffStrategy, "BACKOFF_STRATEGY_", {"UNSPECIFIED"}),
    (EventType, event_pb2.EventType, "EVENT_TYPE_", {"UNSPECIFIED"}),
]


@pytest.mark.parametrize(("domain", "wire", "prefix", "extra"), SPELLINGS)
def test_a_closed_set_has_one_spelling_in_the_domain_and_on_the_wire(
    domain: type[Enum], wire: EnumTypeWrapper, prefix: str, extra: set[str]
) -> None:
    assert {name.removeprefix(prefix) for name in wire.keys()} - extra == {member.name for member in domain}  # noqa: SIM118 - no dict


def test_every_outcome_but_the_running_one_has_its_name_on_the_wire() -> None:
    names = {outcome.name: job_pb2.AttemptOutcome.Name(number) for outcome, number in convert.OUTCOME_NUMBERS.items()}

    assert names.pop("RUNNING") == "ATTEMPT_OUTCOME_UNSPECIFIED"
    assert names == {
        outcome.name: f"ATTEMPT_OUTCOME_{outcome.name}"
        for outcome in AttemptOutcome
        if outcome is not AttemptOutcome.RUNNING
    }


@pytest.mark.parametrize(
    ("table", "domain"),
    [
        (convert.STATUS_NUMBERS, JobStatus),
        (convert.PRIORITY_NUMBERS, Priority),
        (convert.STRATEGY_NUMBERS, BackoffStrategy),
    ],
)
def test_every_member_has_its_own_number(table: dict[Enum, int], domain: type[Enum]) -> None:
    assert set(table) == set(domain)
    assert len(set(table.values())) == len(table)
    assert 0 not in table.values()


def test_a_number_leads_back_to_its_member_and_zero_to_none() -> None:
    assert [convert.STATUSES[number] for number in convert.STATUS_NUMBERS.values()] == list(JobStatus)
    assert [convert.PRIORITIES[number] for number in convert.PRIORITY_NUMBERS.values()] == list(Priority)
    assert [convert.STRATEGIES[number] for number in convert.STRATEGY_NUMBERS.values()] == list(BackoffStrategy)
    assert (convert.PRIORITIES[0], convert.STRATEGIES[0]) == (None, None)


FIRST = datetime.min.replace(tzinfo=UTC) + datetime.resolution
LAST = datetime.max.replace(tzinfo=UTC) - datetime.resolution


@example(moment=FIRST)
@example(moment=LAST)
@given(moment=st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC)))
def test_a_moment_survives_both_ways(moment: datetime) -> None:
    message = convert.timestamp(moment)

    assert message is not None
    assert convert.moment_of(message, "run_at") == moment


@given(length=st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3_000_000)))
def test_a_length_survives_both_ways(length: timedelta) -> None:
    message = convert.duration(length)

    assert message is not None
    assert convert.length_of(message, "delay") == length


def test_a_negative_length_is_read_with_its_sign() -> None:
    assert convert.length_of(Duration(seconds=-1, nanos=-500_000_000), "delay") == timedelta(seconds=-1.5)


def test_what_is_not_set_has_no_message() -> None:
    assert convert.timestamp(None) is None
    assert convert.duration(None) is None


@pytest.mark.parametrize(
    "stamp",
    [
        Timestamp(seconds=-62_135_596_801, nanos=999_999_999),
        Timestamp(seconds=253_402_300_800),
        Timestamp(seconds=2**63 - 1),
        Timestamp(seconds=-(2**63)),
        Timestamp(nanos=-1),
        Timestamp(nanos=1_000_000_000),
    ],
)
def test_a_moment_beyond_the_years_1_to_9999_is_refused_by_name(stamp: Timestamp) -> None:
    with pytest.raises(ValidationFailed) as caught:
        convert.moment_of(stamp, "job.run_at")

    assert caught.value.violations[0].field == "job.run_at"


@pytest.mark.parametrize(
    "stamp",
    [
        Timestamp(seconds=-62_135_596_800),
        Timestamp(seconds=-62_135_596_800, nanos=999),
        Timestamp(seconds=253_402_300_799, nanos=999_999_000),
        Timestamp(seconds=253_402_300_799, nanos=999_999_999),
    ],
)
def test_a_moment_that_is_stored_as_infinity_is_refused_with_the_bounds(stamp: Timestamp) -> None:
    with pytest.raises(ValidationFailed) as caught:
        convert.moment_of(stamp, "job.run_at")

    bounds = "must lie between 0001-01-01T00:00:00.000001Z and 9999-12-31T23:59:59.999998Z"
    assert (caught.value.violations[0].field, caught.value.violations[0].description) == ("job.run_at", bounds)


@pytest.mark.parametrize(
    "length",
    [
        Duration(seconds=2**63 - 1),
        Duration(seconds=-(2**63)),
        Duration(seconds=1, nanos=-1),
        Duration(seconds=-1, nanos=1),
        Duration(nanos=1_000_000_000),
    ],
)
def test_a_length_that_is_none_is_refused_by_name(length: Duration) -> None:
    with pytest.raises(ValidationFailed) as caught:
        convert.length_of(length, "job.delay")

    assert caught.value.violations[0].field == "job.delay"


def test_a_text_with_a_nul_is_refused_by_name() -> None:
    assert convert.text_of("all well", "reason") == "all well"
    with pytest.raises(ValidationFailed, match="reason"):
        convert.text_of("a\0b", "reason")


def test_a_map_with_a_nul_is_refused_by_key() -> None:
    assert convert.texts_of({}, "labels") == {}
    assert convert.texts_of({"a": "1"}, "labels") == {"a": "1"}
    with pytest.raises(ValidationFailed) as caught:
        convert.texts_of({"a": "1", "b": "\0"}, "job.labels")

    assert caught.value.violations[0].field == "job.labels['b']"
