from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.fault.checker import Invariant, Violation
from tests.fault.factories import handler_line, moment
from tests.fault.history import Edge, History
from tests.fault.limits import Lease, LimitJudge, Look, Noun, Pause, check_order, check_pauses, check_rates


def looks(*rows: dict[str, Any]) -> list[Look]:
    """Return looks one after another, each with what changed since the one before."""
    found = [Look(queue="q", changed_at=moment(0))]
    for row in rows:
        found.append(replace(found[-1], **row))
    return found[1:]


def judged(seen: Sequence[Look]) -> list[str]:
    judge = LimitJudge()
    for look in seen:
        judge.see({"q": look})
    return [violation.what.partition(" at version")[0] for violation in judge.found]


@pytest.mark.parametrize(
    "seen",
    [
        looks({"max_concurrency": 2}, {"running": 2}, {"running": 1}, {"running": 2}),
        looks(
            {"max_concurrency": 4, "running": 4}, {"version": 2, "max_concurrency": 2}, {"running": 3}, {"running": 2}
        ),
        looks({"max_concurrency": 4}, {"version": 2, "max_concurrency": 2, "running": 4}, {"running": 4}),
        looks({"running": 9}, {"version": 2, "max_concurrency": 2, "running": 12}, {"running": 3}),
        looks({"max_concurrency_per_key": 2, "concurrency_keys": ["a", "b", "a"]}),
        looks({"ordering_keys": ["a", "b"]}),
        looks({"max_pending": 5, "fresh": 5, "waiting": 7}),
    ],
)
def test_what_keeps_to_its_limits_or_comes_down_to_them_is_no_violation(seen: list[Look]) -> None:
    assert judged(seen) == []


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (looks({"max_concurrency": 2}, {"running": 3}), "running: 3 of ''"),
        (
            looks({"max_concurrency": 4, "running": 3}, {"version": 2, "max_concurrency": 2}, {"running": 4}),
            "running: 4 of ''",
        ),
        (
            looks(
                {"max_concurrency": 4, "running": 3}, {"version": 2, "max_concurrency": 2, "running": 2}, {"running": 3}
            ),
            "running: 3 of ''",
        ),
        (
            looks({"max_concurrency": 4}, {"version": 2, "max_concurrency": 2, "running": 5}),
            "running: 5 of ''",
        ),
        (
            looks({"max_concurrency_per_key": 1}, {"concurrency_keys": ["a", "b", "a"]}),
            "running per concurrency key: 2 of 'a'",
        ),
        (looks({}, {"ordering_keys": ["a", "a"]}), "running per ordering key: 2 of 'a'"),
        (looks({"max_pending": 5}, {"fresh": 6}), "pending: 6 of ''"),
    ],
)
def test_what_rises_above_its_limit_is_found(seen: list[Look], found: str) -> None:
    assert judged(seen) == [found]


def lease(job_id: str, begin: float, end: float | None = None, *, lease_seq: int = 1) -> Lease:
    ended: datetime | None = None if end is None else moment(end)
    return Lease(queue="q", ordering_key="k", job_id=job_id, lease_seq=lease_seq, begin=moment(begin), end=ended)


def rates(begins: Sequence[float], *settings: Look) -> list[Violation]:
    return check_rates([lease("a", begin) for begin in begins], {"q": settings})


PACED = Look(queue="q", changed_at=moment(0), max_leases_per_second=2.0, lease_burst=3)


@pytest.mark.parametrize(
    "begins", [[1, 1, 1], [1, 1, 1, 1.5, 2], [1, 1, 1, 9, 9, 9], [0.5 * number for number in range(9)]]
)
def test_a_burst_and_then_the_rate_is_no_violation(begins: list[float]) -> None:
    assert rates(begins, PACED) == []


@pytest.mark.parametrize(
    "begins", [[1, 1, 1, 1], [1, 1, 1, 1.4], [1, 1, 1, 2, 2, 2], [0.4 * number for number in range(20)]]
)
def test_leases_beyond_the_burst_and_the_rate_are_found(begins: list[float]) -> None:
    assert [violation.invariant for violation in rates(begins, PACED)] == [Invariant.QUEUE_LIMITS]


def test_each_rate_is_held_while_it_lasts() -> None:
    faster = replace(PACED, version=2, changed_at=moment(10), lease_burst=5)
    unlimited = replace(PACED, version=3, changed_at=moment(20), max_leases_per_second=None)
    assert rates([1, 1, 1, 11, 11, 11, 11, 11, *[21] * 50], PACED, faster, unlimited) == []
    assert len(rates([1] * 4, PACED, faster)) == len(rates([11] * 6, PACED, faster)) == 1


def ordered(*leases: Lease, begun: float = 2.5) -> list[str]:
    history = History(handlers=[handler_line(Edge.START, "b", 1, begun)])
    return [violation.what.partition(":")[0] for violation in check_order(leases, history)]


def test_jobs_of_a_key_that_run_one_after_another_in_the_order_of_their_ids_are_no_violation() -> None:
    assert ordered(lease("a", 0, 1), lease("a", 1, 2, lease_seq=2), lease("b", 2, 3)) == []


def test_a_job_that_is_leased_out_of_its_turn_is_found() -> None:
    assert ordered(lease("b", 0, 1), lease("a", 1, 2)) == [Noun.ORDER]


@pytest.mark.parametrize("end", [2.6, None])
def test_a_job_that_runs_before_the_one_before_it_has_ended_is_found(end: float | None) -> None:
    assert ordered(lease("a", 0, end), lease("b", 2, 3)) == [Noun.ORDERING]


def test_a_lease_in_a_pause_is_found() -> None:
    pauses = [Pause(queue="q", waiting=1, started=started) for started in (0, 2)]
    assert [violation.invariant for violation in check_pauses(pauses)] == [Invariant.PAUSE_HOLDS]
