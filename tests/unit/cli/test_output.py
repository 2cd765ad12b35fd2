import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import PurePosixPath
from types import MappingProxyType

import pytest

from gosynq_server.cli.output import cell, print_fields, print_json, print_line, print_table


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    colour: Colour
    at: datetime
    length: timedelta
    data: bytes
    inside: object


def test_json_holds_whatever_a_value_holds(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2030, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    inside = MappingProxyType({"a": (1, None, True, 1.5), "é": "\n"})
    print_json(Thing(colour=Colour.RED, at=at, length=timedelta(seconds=1.5), data=b"\x00\xff", inside=inside))
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "colour": "red",
        "at": "2030-01-31T12:00:00Z",
        "length": 1.5,
        "data": "AP8=",
        "inside": {"a": [1, None, True, 1.5], "é": "\n"},
    }


def test_what_json_has_no_word_for_is_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": PurePosixPath("/a/b")})
    assert capsys.readouterr().out == '{"path":"/a/b"}\n'


def test_a_line_from_a_stranger_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("a\nb\x1b")
    assert capsys.readouterr().out == "a\\nb\\x1b\n"


def test_a_table_keeps_markup_as_text_and_does_not_wrap(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "ERROR"), [("1", "[bold]x[/]"), ("2", "y" * 120), ("3", None)])
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "ID  ERROR",
        "1   [bold]x[/]",
        "2   " + "y" * 120,
        "3   -",
    ]


def test_fields_that_are_empty_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"id": "j1", "labels": {}, "error": None, "result": {"n": 1}, "key": ""})
    assert capsys.readouterr().out == 'id      j1\nresult  {"n": 1}\n'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2030, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC), "2030-01-31 12:00:00.123"),
        (timedelta(minutes=90), "1h30m"),
        (0, "0"),
        (b"\x00", '"AA=="'),
    ],
)
def test_a_cell_is_written_for_a_person(value: object, text: str) -> None:
    assert cell(value).plain == text
