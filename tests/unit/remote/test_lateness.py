from datetime import timedelta

import pytest

from gosynq_client.remote.lateness import Lateness
from tests.unit.worker.memory_source import a_lease

LEASE = a_lease()
SENT_AT = LEASE.leased_at
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(("seconds", "doubtful"), [(-100, False), (0, False), (15, False), (16, True), (100, True)])
def test_the_first_lease_is_doubted_where_half_of_it_may_be_over(seconds: int, doubtful: bool) -> None:
    assert Lateness().is_doubtful(LEASE, SENT_AT + seconds * SECOND) is doubtful


def test_a_clock_that_is_behind_the_server_s_hides_nothing() -> None:
    lateness = Lateness()
    assert not lateness.is_doubtful(LEASE, SENT_AT - 100 * SECOND)
    assert not lateness.is_doubtful(LEASE, SENT_AT - 90 * SECOND)
    assert lateness.is_doubtful(LEASE, SENT_AT - 80 * SECOND)


def test_a_clock_that_is_ahead_is_doubted_once() -> None:
    lateness = Lateness()
    assert lateness.is_doubtful(LEASE, SENT_AT + 100 * SECOND)
    lateness.correct(LEASE, SENT_AT + 100 * SECOND)
    assert not lateness.is_doubtful(LEASE, SENT_AT + 100 * SECOND)
    assert lateness.is_doubtful(LEASE, SENT_AT + 101 * SECOND)
