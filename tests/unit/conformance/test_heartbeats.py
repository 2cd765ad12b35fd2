from __future__ import annotations

from datetime import timedelta

import pytest

from gosynq_server.conformance.cases.heartbeats import judge_beats
from gosynq_server.conformance.session import Beat

ONE, TWO = ("job-1", "token"), ("job-2", "token")
BOTH = frozenset({ONE, TWO})


def beats(*moments: float, leases: frozenset[tuple[str, str]] = BOTH) -> list[Beat]:
    return [Beat(at=moment, leases=leases) for moment in moments]


@pytest.mark.parametrize(
    ("came", "problem"),
    [
        (beats(1, 2, 3), None),
        (beats(1, 2.9), None),
        ([*beats(0.4, leases=frozenset()), *beats(1, 2, 3)], None),
        (beats(-5, 1, 2, 3, 9), None),
        ([], "no heartbeat for 4.0 s, heartbeat_interval is 1 s"),
        (beats(1), "no heartbeat for 3.0 s, heartbeat_interval is 1 s"),
        (beats(2.5, 3.5), "no heartbeat for 2.5 s, heartbeat_interval is 1 s"),
        (beats(1, 2, 3, leases=frozenset({TWO})), "a heartbeat left out 1 of 2 open leases"),
    ],
)
def test_heartbeats_come_in_time_and_name_all_leases(came: list[Beat], problem: str | None) -> None:
    assert judge_beats(came, BOTH, (0, 4), timedelta(seconds=1)) == problem
