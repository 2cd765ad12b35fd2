from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gosynq_client.times import duration, moment_of, timestamp


def test_a_moment_goes_in_utc_whatever_its_zone() -> None:
    moment = datetime(2030, 1, 1, 12, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(moment) == Timestamp(seconds=1_893_492_000, nanos=250_000_000)


def test_a_moment_comes_back_aware_and_in_utc() -> None:
    moment = moment_of(Timestamp(seconds=1_893_492_000, nanos=250_000_999))

    assert moment == datetime(2030, 1, 1, 10, 0, 0, 250_000, tzinfo=UTC)
    assert moment.tzinfo is UTC


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="2030-01-01T00:00:00 has no time zone"):
        timestamp(datetime(2030, 1, 1))  # noqa: DTZ001 - just this is refused


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_a_moment_that_utc_has_no_year_for_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not in the years 1 to 9999 of UTC"):
        timestamp(datetime.fromisoformat(text))


def test_a_length_goes_with_its_fraction() -> None:
    assert duration(timedelta(seconds=1, milliseconds=500)) == Duration(seconds=1, nanos=500_000_000)


def test_nothing_stays_nothing() -> None:
    assert (timestamp(None), duration(None)) == (None, None)
