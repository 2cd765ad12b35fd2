import re
from enum import StrEnum
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from gosynq.v1 import event_pb2, job_pb2, queue_pb2
from gosynq_server.domain.job import AttemptOutcome, JobStatus, Priority
from gosynq_server.domain.lifecycle import TERMINAL, TRANSITIONS, EventType, may_follow
from gosynq_server.domain.queue import QueueState
from gosynq_server.domain.retry import BackoffStrategy

PENDING, PROCESSING = JobStatus.PENDING, JobStatus.PROCESSING
COMPLETED, FAILED, CANCELLED = JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED

LIFE = {
    (None, EventType.CREATED, PENDING),
    (PENDING, EventType.STARTED, PROCESSING),
    (PENDING, EventType.CANCELLED, CANCELLED),
    (PENDING, EventType.REQUEUED, PENDING),
    (PENDING, EventType.DELETED, None),
    (PROCESSING, EventType.SUCCEEDED, COMPLETED),
    (PROCESSING, EventType.FAILED, PENDING),
    (PROCESSING, EventType.FAILED, FAILED),
    (PROCESSING, EventType.CANCELLED, CANCELLED),
    (PROCESSING, EventType.CANCEL_REQUESTED, PROCESSING),
    (PROCESSING, EventType.REQUEUED, PENDING),
    (PROCESSING, EventType.PROGRESS, PROCESSING),
    (PROCESSING, EventType.DELETED, None),
    (COMPLETED, EventType.DELETED, None),
    (FAILED, EventType.DEAD_LETTERED, FAILED),
    (FAILED, EventType.REQUEUED, PENDING),
    (FAILED, EventType.DELETED, None),
    (CANCELLED, EventType.REQUEUED, PENDING),
    (CANCELLED, EventType.DELETED, None),
}
STATUSES = (None, *JobStatus)

MIGRATION = (Path(__file__).parents[3] / "migrations" / "0001_stages.up.sql").read_text()


def test_a_job_lives_by_these_transitions_and_no_others() -> None:
    allowed = {
        (before, event, after)
        for before in STATUSES
        for event in EventType
        for after in STATUSES
        if may_follow(before, event, after)
    }

    assert allowed == LIFE


def test_every_status_has_a_row_in_the_table() -> None:
    assert TRANSITIONS.keys() == set(STATUSES)


def test_a_terminal_job_runs_no_more_unless_it_is_made_pending_again() -> None:
    leads_on = {before for before, event, _ in LIFE if event in {EventType.STARTED, EventType.SUCCEEDED}}

    assert {COMPLETED, FAILED, CANCELLED} == TERMINAL == set(JobStatus) - leads_on


def test_nothing_leads_out_of_completed_but_deletion() -> None:
    assert {(event, after) for before, event, after in LIFE if before is COMPLETED} == {(EventType.DELETED, None)}


def spelled_in_proto(file: FileDescriptor, enum: str, prefix: str) -> set[str]:
    names = file.enum_types_by_name[enum].values_by_name
    return {name.removeprefix(prefix).lower() for name in names} - {"unspecified"}


def spelled_in_sql(table: str, column: str) -> set[str]:
    """Read the texts that the CHECK constraint of a column allows."""
    definition = re.search(rf"CREATE TABLE gosynq\.{table} \(.*?^\)", MIGRATION, re.DOTALL | re.MULTILINE)
    assert definition
    check = re.search(rf"CHECK \(\s*{column} IN \((.*?)\)", definition[0], re.DOTALL)
    assert check
    return set(re.findall("'([^']*)'", check[1]))


@pytest.mark.parametrize(
    ("ours", "file", "prefix"),
    [
        (JobStatus, job_pb2.DESCRIPTOR, "JOB_STATUS_"),
        (EventType, event_pb2.DESCRIPTOR, "EVENT_TYPE_"),
        (BackoffStrategy, job_pb2.DESCRIPTOR, "BACKOFF_STRATEGY_"),
        (QueueState, queue_pb2.DESCRIPTOR, "QUEUE_STATE_"),
    ],
)
def test_the_contract_spells_every_member_as_we_do(ours: type[StrEnum], file: FileDescriptor, prefix: str) -> None:
    assert spelled_in_proto(file, ours.__name__, prefix) == set(ours)


def test_the_contract_has_every_attempt_outcome_that_is_recorded() -> None:
    told = spelled_in_proto(job_pb2.DESCRIPTOR, "AttemptOutcome", "ATTEMPT_OUTCOME_")

    assert told - {"snoozed", "released"} == set(AttemptOutcome) - {AttemptOutcome.RUNNING}


def test_the_contract_numbers_priorities_as_we_do() -> None:
    theirs = job_pb2.DESCRIPTOR.enum_types_by_name["JobPriority"].values
    ours = {f"JOB_PRIORITY_{priority.name}": priority.value for priority in Priority}

    assert {value.name: value.number for value in theirs} == {"JOB_PRIORITY_UNSPECIFIED": 0} | ours


@pytest.mark.parametrize(
    ("table", "column", "members"),
    [
        ("queues", "state", set(QueueState) - {QueueState.DELETING}),
        ("finished", "status", TERMINAL),
        ("events", "status", set(JobStatus)),
        ("events", "type", set(EventType) - {EventType.PROGRESS}),
        ("attempts", "outcome", set(AttemptOutcome) - {AttemptOutcome.RUNNING, AttemptOutcome.SUCCEEDED}),
    ],
)
def test_the_tables_spell_every_member_as_we_do(table: str, column: str, members: set[str]) -> None:
    assert spelled_in_sql(table, column) == members


def test_the_tables_take_every_priority() -> None:
    bounds = set(re.findall(r"CHECK \(priority BETWEEN (\d+) AND (\d+)\)", MIGRATION))

    assert bounds == {(str(min(Priority).value), str(max(Priority).value))}
