from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.checker import Invariant, Limits, check, check_metrics, late_runs
from tests.fault.factories import CANCELLED, DONE, LOST, event, good_history, good_tables, handler_line, moment
from tests.fault.history import Edge, History, Step, Verb
from tests.fault.tables import Tables

LIMITS = Limits(max_retries=3, max_deliveries=4, lease_duration=timedelta(seconds=2))

T = TypeVar("T")


def without(rows: Sequence[T], *, at: int) -> list[T]:
    return [row for position, row in enumerate(rows) if position != at]


def changed(rows: Sequence[T], *, at: int, **fields: Any) -> list[T]:
    return [replace(row, **fields) if position == at else row for position, row in enumerate(rows)]  # type: ignore[type-var]  # the rows are dataclasses


def with_jobs(at: int, **fields: Any) -> Callable[[History, Tables], tuple[History, Tables]]:
    return lambda history, tables: (history, replace(tables, jobs=changed(tables.jobs, at=at, **fields)))


def with_events(at: int, **fields: Any) -> Callable[[History, Tables], tuple[History, Tables]]:
    return lambda history, tables: (history, replace(tables, events=changed(tables.events, at=at, **fields)))


def with_handlers(at: int, **fields: Any) -> Callable[[History, Tables], tuple[History, Tables]]:
    return lambda history, tables: (replace(history, handlers=changed(history.handlers, at=at, **fields)), tables)


def with_client(at: int, **fields: Any) -> Callable[[History, Tables], tuple[History, Tables]]:
    return lambda history, tables: (replace(history, client=changed(history.client, at=at, **fields)), tables)


def job_dropped(history: History, tables: Tables) -> tuple[History, Tables]:
    events = [row for row in tables.events if row.job_id != DONE]
    handlers = [line for line in history.handlers if line.job_id != DONE]
    return replace(history, handlers=handlers), replace(tables, jobs=tables.jobs[1:], events=events)


def job_doubled(history: History, tables: Tables) -> tuple[History, Tables]:
    twin = replace(tables.jobs[2], id="job-twin")
    events = [replace(row, job_id="job-twin") for row in tables.events if row.job_id == CANCELLED]
    return history, replace(tables, jobs=[*tables.jobs, twin], events=[*tables.events, *events])


def run_doubled(history: History, tables: Tables) -> tuple[History, Tables]:
    again = [
        replace(handler_line(Edge.START, DONE, 1, 0.8), pid=7),
        replace(handler_line(Edge.END, DONE, 1, 0.9), pid=7),
    ]
    return replace(history, handlers=[*history.handlers, *again]), tables


def lease_invented(history: History, tables: Tables) -> tuple[History, Tables]:
    return replace(history, handlers=[*history.handlers, handler_line(Edge.START, DONE, 2, 0.8)]), tables


def job_invented(history: History, tables: Tables) -> tuple[History, Tables]:
    return replace(history, handlers=[*history.handlers, handler_line(Edge.START, "stranger", 1, 0.8)]), tables


def completed_twice(history: History, tables: Tables) -> tuple[History, Tables]:
    again = event(DONE, 4, EventType.SUCCEEDED, JobStatus.COMPLETED, 0.8)
    return history, replace(
        tables, jobs=changed(tables.jobs, at=0, revision=4), events=[*tables.events[:3], again, *tables.events[3:]]
    )


def leases_swapped(history: History, tables: Tables) -> tuple[History, Tables]:
    first, second = history.handlers[2], history.handlers[3]
    handlers = list(history.handlers)
    handlers[2] = replace(first, at=second.at, wall=second.wall)
    handlers[3] = replace(second, at=first.at, wall=first.wall)
    return replace(history, handlers=handlers), tables


def event_dropped(history: History, tables: Tables) -> tuple[History, Tables]:
    return history, replace(tables, events=without(tables.events, at=5))


def event_doubled(history: History, tables: Tables) -> tuple[History, Tables]:
    return history, replace(tables, events=[*tables.events, tables.events[1]])


def events_swapped(history: History, tables: Tables) -> tuple[History, Tables]:
    events = changed(changed(tables.events, at=1, revision=3), at=2, revision=2)
    return history, replace(tables, events=events)


def completed_after_cancel(history: History, tables: Tables) -> tuple[History, Tables]:
    more = [
        event(CANCELLED, 2, EventType.STARTED, JobStatus.PROCESSING, 2.2),
        event(CANCELLED, 3, EventType.SUCCEEDED, JobStatus.COMPLETED, 2.5),
    ]
    jobs = changed(tables.jobs, at=2, status=JobStatus.COMPLETED, revision=3, lease_seq=1, deliveries=1)
    runs = [handler_line(Edge.START, CANCELLED, 1, 2.3), handler_line(Edge.END, CANCELLED, 1, 2.4)]
    return (
        replace(history, handlers=[*history.handlers, *runs]),
        replace(tables, jobs=jobs, events=[*tables.events[:-1], *more]),
    )


def taken_back_early(history: History, tables: Tables) -> tuple[History, Tables]:
    return history, replace(tables, attempts=changed(tables.attempts, at=0, finished_at=moment(3)))


def stale_result_taken(history: History, tables: Tables) -> tuple[History, Tables]:
    return replace(history, handlers=without(history.handlers, at=5)), tables


def refused_for_good(history: History, tables: Tables) -> tuple[History, Tables]:
    return replace(history, client=changed(history.client, at=5, step=Step.FAIL, job_id="")), tables


def counted_wrong(history: History, tables: Tables) -> tuple[History, Tables]:
    return history, replace(tables, counts={"completed": 1, "cancelled": 1, "failed": 1})


def test_a_run_in_which_all_went_well_passes() -> None:
    tables = good_tables()
    counts = Counter(job.status.value for job in tables.jobs)
    assert check(good_history(), replace(tables, counts=counts), LIMITS) == []


BAD = [
    ("an acknowledged job is lost", job_dropped, Invariant.ACKNOWLEDGED_ENDS),
    ("an acknowledged job never ends", with_jobs(0, status=JobStatus.PENDING), Invariant.ACKNOWLEDGED_ENDS),
    ("a repeated call names another job", with_client(3, job_id=LOST), Invariant.KEY_NAMES_ONE_JOB),
    ("a key made two jobs", job_doubled, Invariant.KEY_NAMES_ONE_JOB),
    ("a job nobody asked for", with_jobs(0, key="stranger"), Invariant.KEY_NAMES_ONE_JOB),
    ("a job that was refused", refused_for_good, Invariant.KEY_NAMES_ONE_JOB),
    ("one lease run twice", run_doubled, Invariant.LEASE_FENCES),
    ("two completions", completed_twice, Invariant.LEASE_FENCES),
    ("leases in another order", leases_swapped, Invariant.LEASE_FENCES),
    ("a lease that was never granted", lease_invented, Invariant.LEASE_FENCES),
    ("a lease run before it was granted", with_events(4, occurred_at=moment(7)), Invariant.LEASE_FENCES),
    ("a lease granted and not counted", with_jobs(1, lease_seq=1), Invariant.LEASE_FENCES),
    ("a run of no job", job_invented, Invariant.LEASE_FENCES),
    ("a run inside a valid lease", with_events(5, occurred_at=moment(5.1)), Invariant.ONE_VALID_LEASE),
    ("a lease taken back before its end", taken_back_early, Invariant.ONE_VALID_LEASE),
    ("a stale result that was taken", stale_result_taken, Invariant.STALE_RESULT_REFUSED),
    ("completed while it ran", with_jobs(1, finished_at=moment(5.6)), Invariant.STALE_RESULT_REFUSED),
    ("a failed attempt completed", with_handlers(1, outcome="error"), Invariant.STALE_RESULT_REFUSED),
    ("too many failures", with_jobs(0, failures=5), Invariant.LIMITS),
    ("too many deliveries", with_jobs(1, deliveries=5), Invariant.LIMITS),
    ("given up too early", with_jobs(1, status=JobStatus.FAILED), Invariant.LIMITS),
    ("an attempt that is not accounted for", with_jobs(1, deliveries=1), Invariant.LIMITS),
    ("a cancelled job that completed", completed_after_cancel, Invariant.CANCELLED_STAYS),
    ("a number of jobs that is not the tables'", counted_wrong, Invariant.METRICS_EQUAL),
    ("an event is missing", event_dropped, Invariant.EVENTS_TELL_ALL),
    ("an event came twice", event_doubled, Invariant.EVENTS_TELL_ALL),
    ("events in another order", events_swapped, Invariant.EVENTS_TELL_ALL),
    ("an event of an illegal step", with_events(2, type=EventType.CREATED), Invariant.EVENTS_TELL_ALL),
    ("a status that no event told", with_jobs(2, status=JobStatus.FAILED), Invariant.EVENTS_TELL_ALL),
    ("a change that no event told", with_jobs(0, revision=4), Invariant.EVENTS_TELL_ALL),
    ("events that run backwards", with_events(2, occurred_at=moment(-0.7)), Invariant.EVENTS_TELL_ALL),
    ("an event of no job", with_events(0, job_id="stranger"), Invariant.EVENTS_TELL_ALL),
]


@pytest.mark.parametrize(
    ("spoil", "invariant"), [case[1:] for case in BAD], ids=[case[0].replace(" ", "-") for case in BAD]
)
def test_a_spoiled_run_is_caught(
    spoil: Callable[[History, Tables], tuple[History, Tables]], invariant: Invariant
) -> None:
    history, tables = spoil(good_history(), good_tables())
    assert invariant in {violation.invariant for violation in check(history, tables, LIMITS)}


def test_a_killed_run_counts_as_ended_by_its_process() -> None:
    history = good_history()
    killed = replace(history, handlers=without(history.handlers, at=4), deaths=[replace(history.deaths[0], pid=1)])
    assert [run.ended_at for run in killed.runs()] == [0.6, 9, 6]


def begun_late() -> tuple[History, Tables]:
    """The frozen worker of the lost job begins only after the other one has ended it."""
    history = good_history()
    handlers = [line for line in history.handlers if (line.job_id, line.lease_seq) != (LOST, 1)]
    late = [handler_line(Edge.START, LOST, 1, 5.5), handler_line(Edge.END, LOST, 1, 6.5)]
    return replace(history, handlers=[*handlers, *late]), good_tables()


def test_a_lease_may_be_run_after_its_end_in_vain() -> None:
    assert check(*begun_late(), LIMITS) == []


def test_a_run_that_began_after_its_leases_end_is_late() -> None:
    assert [(run.start.job_id, run.start.lease_seq) for run in late_runs(*begun_late())] == [(LOST, 1)]
    assert late_runs(good_history(), good_tables()) == []


def test_an_event_may_bear_a_time_a_little_before_that_of_the_one_before_it() -> None:
    assert check(*with_events(2, occurred_at=moment(0.3))(good_history(), good_tables()), LIMITS) == []


def test_a_cancel_that_was_refused_binds_nobody() -> None:
    history, tables = completed_after_cancel(good_history(), good_tables())
    client = [
        replace(line, step=Step.FAIL, told="JOB_TERMINAL") if (line.verb, line.step) == (Verb.CANCEL, Step.OK) else line
        for line in history.client
    ]
    assert check(replace(history, client=client), tables, LIMITS) == []


GOOD_METRICS = {
    "gosynq_jobs_processed_total": 3.0,
    "gosynq_jobs_succeeded_total": 2.0,
    "gosynq_active_workers": 0.0,
}


def test_metrics_that_equal_the_run_pass() -> None:
    assert check_metrics(GOOD_METRICS, good_history(), good_tables()) == []


@pytest.mark.parametrize("name", GOOD_METRICS)
@pytest.mark.parametrize("off", [-1, 2])
def test_a_metric_that_is_off_is_caught(name: str, off: float) -> None:
    spoiled = {**GOOD_METRICS, name: GOOD_METRICS[name] + off}
    violations = check_metrics(spoiled, good_history(), good_tables())
    assert [violation.invariant for violation in violations] == [Invariant.METRICS_EQUAL]
