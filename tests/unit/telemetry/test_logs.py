import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from gosynq_server.telemetry import logs
from gosynq_server.telemetry.logs import JsonFormatter, TextFormatter

FACTS: dict[str, Any] = {
    "job_id": "j1",
    "payload": {"secret": 1},
    "token": "t",
    "blob": b"1234",
    "waited": timedelta(seconds=1.5),
    "huge": 2**70,
    "nested": {"dsn": "postgresql://", 1: [1, (2, None)], "deep": {"a": {"b": {"c": {"d": 1}}}}},
    "name_of_stranger": "a\x1b[0m\nb",
    "long": "x" * 5000,
}


def record(message: str = "job ended", facts: dict[str, Any] | None = None) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "gosynq.test", "msg": message, "levelname": "WARNING", "created": 0.5})
    for name, fact in (facts or {}).items():
        setattr(made, name, fact)
    return made


def with_error(error: Exception) -> logging.LogRecord:
    made = record()
    try:
        raise error
    except type(error) as raised:
        made.exc_info = (type(raised), raised, raised.__traceback__)
    return made


def test_a_json_line_has_the_facts_as_fields() -> None:
    line = JsonFormatter().format(record(facts=FACTS))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:00.500000+00:00",
        "level": "warning",
        "logger": "gosynq.test",
        "message": "job ended",
        "job_id": "j1",
        "payload": "(withheld)",
        "token": "(withheld)",
        "blob": "(4 bytes)",
        "waited": 1.5,
        "huge": str(2**70),
        "nested": {"dsn": "(withheld)", "1": [1, [2, None]], "deep": {"a": {"b": {"c": "(deeper)"}}}},
        "name_of_stranger": "a\x1b[0m\nb",
        "long": "x" * 1024 + "... (5000 characters)",
    }


def test_no_fact_hides_what_every_line_has() -> None:
    line = json.loads(JsonFormatter().format(record(facts={"level": "x", "time": "y", "logger": "z"})))
    assert (line["level"], line["logger"]) == ("warning", "gosynq.test")


def test_an_error_is_told_with_type_message_and_stack_trace() -> None:
    told = json.loads(JsonFormatter().format(with_error(ValueError("no \ud800"))))["exception"]
    assert (told["type"], told["message"]) == ("ValueError", "no \\ud800")
    assert "Traceback" in told["stack_trace"]


def test_a_text_line_cannot_be_forged() -> None:
    text = TextFormatter().format(record("said\n%s", {"who": "a b\x1b", "count": 3, "payload": "p"}))
    assert text == "00:00:00.500000 warning said\\n%s  who='a b\\x1b'  count=3  payload=(withheld)"


def test_a_text_line_is_followed_by_the_stack_trace() -> None:
    lines = TextFormatter().format(with_error(ValueError("a\x1bb"))).splitlines()
    assert lines[0] == "00:00:00.500000 warning job ended"
    assert lines[-1] == "ValueError: a\\x1bb"


@pytest.fixture
def configured() -> Iterator[Callable[[str, str, io.StringIO], None]]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield lambda level, form, stream: logs.configure(level=level, form=form, stream=stream)
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "formatter"),
    [
        ("auto", io.StringIO(), JsonFormatter),
        ("auto", Terminal(), TextFormatter),
        ("text", io.StringIO(), TextFormatter),
        ("json", Terminal(), JsonFormatter),
    ],
)
def test_the_form_follows_the_stream_unless_it_is_said(
    configured: Callable[[str, str, io.StringIO], None], form: str, stream: io.StringIO, formatter: type
) -> None:
    configured("info", form, stream)
    logging.getLogger("gosynq.test").debug("not told")
    logging.getLogger("gosynq.test").info("told", extra={"fact": 1})
    [line] = stream.getvalue().splitlines()
    assert line.startswith("{") == (formatter is JsonFormatter)
