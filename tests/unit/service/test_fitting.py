"""How leases are cut into messages, and how often they are to be extended."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq.v1.worker_service_pb2 import LeaseGrants
from gosynq_server.rpc.convert_leases import lease_message
from gosynq_server.service.work_session import fitting, heartbeat_interval, valid_for
from tests.unit.rpc.factories import a_lease

MEBIBYTE = 1024 * 1024
SECOND = timedelta(seconds=1)


@given(st.lists(st.integers(0, 400_000), max_size=40))
def test_leases_are_cut_in_order_into_groups_of_a_mebibyte(sizes: list[int]) -> None:
    leases = [a_lease(lease_seq=place + 1, payload=b"x" * size) for place, size in enumerate(sizes)]
    groups = list(fitting(leases))
    assert [lease for group in groups for lease in group] == leases
    assert all(_bytes_of(group) <= MEBIBYTE for group in groups)


def test_a_lease_larger_than_that_goes_alone() -> None:
    small, large = a_lease(), a_lease(payload=b"x" * 3_000_000)
    assert list(fitting([small, large, small])) == [[small], [large], [small]]


def test_headers_and_labels_count_like_a_payload() -> None:
    headers = {f"header-{number}": "\u20ac" * 4096 for number in range(64)}
    labels = {f"label-{number}": "\u20ac" * 255 for number in range(32)}
    leases = [a_lease(headers=headers, labels=labels, payload=b"")] * 3
    assert [len(group) for group in fitting(leases)] == [1, 1, 1]


def test_the_longest_names_are_allowed_for() -> None:
    leases = [a_lease(queue="q" * 128, kind="k" * 128, content_type="c" * 127, payload=b"")] * 5000
    groups = list(fitting(leases))
    assert all(_bytes_of(group) <= MEBIBYTE for group in groups)


def test_nothing_is_in_no_group() -> None:
    assert list(fitting([])) == []


def _bytes_of(group: object) -> int:
    return LeaseGrants(leases=[lease_message(lease, "w" * 128) for lease in group]).ByteSize()  # type: ignore[attr-defined] # leases


@pytest.mark.parametrize(
    ("durations", "expected"),
    [([30 * SECOND], 10 * SECOND), ([3 * SECOND, 30 * SECOND], SECOND), ([300 * SECOND], 10 * SECOND)],
)
def test_leases_are_extended_three_times_in_the_shortest_and_every_ten_seconds(
    durations: list[timedelta], expected: timedelta
) -> None:
    assert heartbeat_interval(durations) == expected


@pytest.mark.parametrize(
    ("attempt_timeout", "expected"), [(None, 30 * SECOND), (5 * SECOND, 20 * SECOND), (60 * SECOND, 30 * SECOND)]
)
def test_a_lease_ends_15_seconds_behind_its_attempts_time(
    attempt_timeout: timedelta | None, expected: timedelta
) -> None:
    assert valid_for(a_lease(attempt_timeout=attempt_timeout)) == expected
