import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from gosynq_client import JobStatus, Priority
from gosynq_server.cli import arguments


def test_a_duration_is_read() -> None:
    assert arguments.duration("1h30m", "--delay") == timedelta(minutes=90)


def test_what_is_not_said_is_none() -> None:
    assert (arguments.duration("", "--delay"), arguments.moment("", "--run-at")) == (None, None)


def test_a_moment_is_read_with_its_zone() -> None:
    assert arguments.moment("2030-01-31T12:00:00Z", "--run-at") == datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tomorrow", "is not a moment such as"),
        ("2030-13-01T00:00:00Z", "is not a moment such as"),
        ("2030-01-31T12:00:00", "has no zone"),
        ("9999-12-31T23:00:00-05:00", "is not in the years 1 to 9999 of UTC"),
        ("0001-01-01T00:00:00+05:00", "is not in the years 1 to 9999 of UTC"),
    ],
)
def test_a_moment_without_a_zone_or_sense_is_refused_by_its_option(text: str, problem: str) -> None:
    with pytest.raises(typer.BadParameter, match=problem) as refused:
        arguments.moment(text, "--run-at")
    assert refused.value.param_hint == "--run-at"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", None),
        ("1h30m", datetime(2030, 1, 31, 10, 30, tzinfo=UTC)),
        ("2029-01-31T12:00:00Z", datetime(2029, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_beginning_is_a_moment_or_how_long_ago_it_was(text: str, read: datetime | None) -> None:
    assert arguments.since(text, "--since", now=datetime(2030, 1, 31, 12, tzinfo=UTC)) == read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("10", "is neither a duration such as 10m nor a moment such as"),
        ("999999d", "is neither a duration"),
        ("2029-01-31T12:00:00", "has no zone"),
    ],
)
def test_a_beginning_that_is_neither_is_refused_by_its_option(text: str, problem: str) -> None:
    with pytest.raises(typer.BadParameter, match=problem) as refused:
        arguments.since(text, "--since", now=datetime(2030, 1, 31, 12, tzinfo=UTC))
    assert refused.value.param_hint == "--since"


def test_a_label_keeps_what_follows_its_first_equals_sign() -> None:
    assert arguments.labels(["a=b=c", "d="]) == {"a": "b=c", "d": ""}


@pytest.mark.parametrize("pairs", [["a"], ["a=1", "a=2"]])
def test_a_label_without_value_or_given_twice_is_refused(pairs: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        arguments.labels(pairs)


def test_words_are_read_in_any_case() -> None:
    assert arguments.words(JobStatus, ["Failed", "pending"], "--status") == [JobStatus.FAILED, JobStatus.PENDING]


@pytest.mark.parametrize("word", ["urgent", "unknown", ""])
def test_other_words_are_refused_with_those_that_there_are(word: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not one of low, normal, high, critical"):
        arguments.words(Priority, [word], "--priority")


def test_a_payload_may_stand_on_the_command_line() -> None:
    assert arguments.payload('{"a": [1]}', "") == {"a": [1]}


def test_a_payload_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"a": 1}', encoding="utf-8")
    assert arguments.payload(f"@{tmp_path / 'p.json'}", "") == {"a": 1}


def test_a_payload_may_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b'{"a": 2}')))
    assert arguments.payload("-", "") == {"a": 2}


def test_a_payload_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert arguments.payload(f"@{tmp_path / 'p.json'}", "") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ('{"x": [{"a": {}, "a": {}}]}', "the key 'a' is given twice"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e999}', "1e999 is no number"),
    ],
)
def test_a_payload_that_readers_take_differently_is_refused(text: str, problem: str) -> None:
    with pytest.raises(typer.BadParameter, match=f"^the payload is not clear: {problem}"):
        arguments.payload(text, "")


def test_a_payload_of_another_type_is_taken_as_it_is() -> None:
    assert arguments.payload("[1, 2", "text/plain") == b"[1, 2"


@pytest.mark.parametrize("text", ["", "{", "[1]", '"x"', "1", "@/nowhere/at/all", "@\x00", "[" * 100_000])
def test_a_payload_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        arguments.payload(text, "")
