"""Which events a filter wants, held against one that looks at each event by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.event import EventFilter, EventRow, Position
from gosynq_server.domain.job import JobId, JobStatus, Priority
from gosynq_server.domain.lifecycle import EventType
from tests.unit.rpc.factories import NOON, a_job

JOBS = [JobId(f"0195e7a4-5a5a-7000-8000-00000000000{number}") for number in range(4)]
QUEUES, KINDS, NAMES = ["q", "mail"], ["k", "send"], ["a", "b"]
MOMENTS = [NOON + timedelta(microseconds=number) for number in range(3)]

labels = st.none() | st.dictionaries(st.sampled_from(NAMES), st.sampled_from(NAMES), max_size=2)


def _some(values: Any) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(list(values)), max_size=2)


@st.composite
def rows(draw: st.DrawFn) -> EventRow:
    count = draw(st.integers(1, 5))

    def each(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    written = each(labels.map(lambda value: None if value is None else orjson.dumps(value).decode()))
    return EventRow(
        base=Position(3),
        id=7,
        occurred_at=draw(st.sampled_from(MOMENTS)),
        type=draw(st.sampled_from(EventType)),
        queue=draw(st.sampled_from(QUEUES)),
        status=draw(st.sampled_from(JobStatus)),
        worker_id=None,
        job_ids=each(st.sampled_from(JOBS)),
        kinds=each(st.sampled_from(KINDS)),
        priorities=each(st.sampled_from([int(level) for level in Priority])),
        attempts=[0] * count,
        revisions=[1] * count,
        labels=None if draw(st.booleans()) else written,
        details=None,
    )


filters = st.builds(
    EventFilter,
    queues=_some(QUEUES),
    types=_some(EventType),
    job_ids=_some(JOBS),
    kinds=_some(KINDS),
    priorities=_some(Priority),
    labels=st.frozensets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=2),
    not_before=st.none() | st.sampled_from(MOMENTS),
    before=st.none() | st.sampled_from(MOMENTS),
)


def _is_wanted(wanted: EventFilter, row: EventRow, place: int) -> bool:
    told = (row.labels[place] if row.labels else None) or "{}"
    held = set(orjson.loads(told).items())
    conditions = [
        (wanted.queues, row.queue in wanted.queues),
        (wanted.types, row.type in wanted.types),
        (wanted.job_ids, row.job_ids[place] in wanted.job_ids),
        (wanted.kinds, row.kinds[place] in wanted.kinds),
        (wanted.priorities, row.priorities[place] in wanted.priorities),
        (wanted.labels, all(label in held for label in wanted.labels)),
        (wanted.not_before, wanted.not_before is not None and row.occurred_at >= wanted.not_before),
        (wanted.before, wanted.before is not None and row.occurred_at < wanted.before),
    ]
    return all(fulfilled for condition, fulfilled in conditions if condition)


@given(filters, rows())
def test_a_filter_wants_those_events_of_a_row_that_fulfil_each_of_its_conditions(
    wanted: EventFilter, row: EventRow
) -> None:
    expected = [place for place in range(len(row.job_ids)) if _is_wanted(wanted, row, place)]

    assert list(wanted.places(row)) == expected


@given(filters, rows(), st.data())
def test_a_job_is_wanted_if_its_events_are_whatever_their_type_and_moment(
    wanted: EventFilter, row: EventRow, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(row.job_ids) - 1))
    told = row.labels[place] if row.labels else None
    job = a_job(
        id=row.job_ids[place],
        queue=row.queue,
        kind=row.kinds[place],
        priority=Priority(row.priorities[place]),
        labels=orjson.loads(told or "{}"),
    )
    anyhow = EventFilter(
        queues=wanted.queues,
        job_ids=wanted.job_ids,
        kinds=wanted.kinds,
        priorities=wanted.priorities,
        labels=wanted.labels,
    )

    assert wanted.wants(job) == (place in anyhow.places(row))


def _row(**changes: Any) -> EventRow:
    values: dict[str, Any] = {
        "base": Position(3, made_at=9),
        "id": 7,
        "occurred_at": datetime(2026, 3, 1, tzinfo=UTC),
        "type": EventType.FAILED,
        "queue": "q",
        "status": JobStatus.PENDING,
        "worker_id": None,
        "job_ids": JOBS[:2],
        "kinds": ["k", "k"],
        "priorities": [2, 2],
        "attempts": [1, 1],
        "revisions": [3, 3],
        "labels": None,
        "details": None,
    }
    return EventRow(**values | changes)


@pytest.mark.parametrize(
    ("type_", "status", "ends"),
    [
        (EventType.SUCCEEDED, JobStatus.COMPLETED, True),
        (EventType.FAILED, JobStatus.FAILED, True),
        (EventType.FAILED, JobStatus.PENDING, False),
        (EventType.CANCELLED, JobStatus.CANCELLED, True),
        (EventType.CANCEL_REQUESTED, JobStatus.PROCESSING, False),
        (EventType.REQUEUED, JobStatus.PENDING, False),
        (EventType.DELETED, JobStatus.PENDING, True),
        (EventType.DELETED, JobStatus.COMPLETED, True),
    ],
)
def test_a_row_ends_its_jobs_if_they_are_terminal_or_gone_after_it(
    type_: EventType, status: JobStatus, ends: bool
) -> None:
    assert _row(type=type_, status=status).ends_jobs is ends


def test_positions_behind_events_of_a_row_rise_up_to_its_end_and_the_next_tick() -> None:
    row = _row()

    behind = [row.base, row.behind(0), row.behind(1), row.end, _row(id=8).behind(0), Position(4)]

    assert behind == sorted(set(behind))
    assert row.behind(0) == Position(tick=3, row=7, place=1, made_at=9)
