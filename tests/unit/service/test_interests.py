"""Who watches is woken by what it may want, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.service.interests import Interests
from tests.unit.rpc.factories import a_row

BEGIN, MIDDLE, END = Position(3), Position(5), Position(9)
ROW = a_row(3)


@pytest.mark.parametrize(
    ("wanted", "is_woken"),
    [
        ({}, True),
        ({"queues": {"mail"}}, True),
        ({"queues": {"other"}}, False),
        ({"types": {EventType.DELETED}}, False),
        ({"kinds": {"send_email"}}, True),
        ({"labels": {("a", "b")}}, False),
        ({"job_ids": {ROW.job_ids[2]}}, True),
        ({"job_ids": {ROW.job_ids[2], "other"}, "types": {EventType.DELETED}}, True),
        ({"job_ids": {"other"}}, False),
    ],
)
def test_a_watch_is_woken_by_what_it_wants_and_by_anything_of_jobs_that_it_names(
    wanted: dict[str, Any], is_woken: bool
) -> None:
    interests = Interests()
    conditions: dict[str, Any] = {name: frozenset(values) for name, values in wanted.items()}
    with interests.register(EventFilter(**conditions), end=BEGIN) as interest:
        interests.wake([a_row(queue="third"), ROW], end=END)

    assert interest.until == (END if is_woken or not wanted else BEGIN)


def test_there_is_never_less_to_read_than_was_known_before() -> None:
    interests = Interests()
    with interests.register(EventFilter(), end=BEGIN) as interest:
        interest.until = END
        interests.wake([ROW], end=MIDDLE)

    assert interest.until == END


async def test_a_wake_up_before_the_wait_ends_it() -> None:
    interests = Interests()
    with interests.register(EventFilter(), end=BEGIN) as interest:
        interests.wake([ROW], end=END)
        await interest.wait(3600)


def test_nothing_is_kept_of_watches_that_have_ended() -> None:
    interests = Interests()
    filters = [EventFilter(), EventFilter(job_ids=frozenset(ROW.job_ids))]
    for wanted in filters:
        with interests.register(wanted, end=BEGIN), interests.register(wanted, end=BEGIN):
            pass

    assert (interests._by_job, interests._by_filter) == ({}, {})  # noqa: SLF001 - memory is not seen from outside
