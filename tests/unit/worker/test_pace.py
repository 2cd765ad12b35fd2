"""How many leases to hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker import RuntimeOptions
from gosynq_client.worker.pace import Trip, lease_limit

OPTIONS = RuntimeOptions(concurrency=10, prefetch_limit=50)
# Two exchanges of 2 ms each, back to back.
TRIPS = (Trip(ended=100, started_at=1.000, answered_at=1.002), Trip(ended=105, started_at=1.002, answered_at=1.004))


@pytest.mark.parametrize(
    ("ended", "now", "limit"),
    [
        (110, 1.004, 20),
        (109, 1.004, 10),
        (120, 1.004, 30),
        (110, 1.0079, 20),
        (110, 1.0081, 10),
        (900, 1.004, 50),
    ],
    ids=["as many as slots", "one less", "twice as many", "short pause", "long pause", "above the limit"],
)
def test_more_than_concurrency_is_held_while_jobs_are_shorter_than_a_round_trip(
    ended: int, now: float, limit: int
) -> None:
    assert lease_limit(OPTIONS, TRIPS, ended=ended, now=now) == limit


@pytest.mark.parametrize("trips", [(), TRIPS[:1]], ids=["none", "one"])
def test_nothing_is_held_in_advance_before_two_trips_are_known(trips: tuple[Trip, ...]) -> None:
    assert lease_limit(OPTIONS, trips, ended=900, now=1.004) == 10


@given(st.integers(1, 100), st.integers(0, 1000), st.integers(0, 10_000))
def test_the_limit_is_never_below_concurrency_nor_above_the_larger_bound(
    concurrency: int, prefetch_limit: int, ended: int
) -> None:
    options = RuntimeOptions(concurrency=concurrency, prefetch_limit=prefetch_limit)
    limit = lease_limit(options, TRIPS, ended=100 + ended, now=1.004)
    assert concurrency <= limit <= max(concurrency, prefetch_limit)
