from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0", timedelta()),
        ("0s", timedelta()),
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("1.5s", timedelta(seconds=1.5)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("14d", timedelta(days=14)),
        (" 90m ", timedelta(minutes=90)),
    ],
)
def test_a_duration_is_written_with_its_units(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text",
    ["", " ", "30", "s", "-5s", "5 s", "1m1h", "5S", "1e3s", "1_0s", "\u0665s", "nan", "999999999999d", "1h\n1m"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it has no message: the loader tells what is allowed
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_written_duration_reads_as_itself(milliseconds: int) -> None:
    length = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(length)) == length
