"""Logs: a constant message, and facts as fields; strangers' strings are escaped and cut, payloads never told."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

import orjson

from gosynq_server.telemetry.text import cut, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_FACT = 1024
_LONGEST_STACK = 16_384
_MOST_ITEMS = 64
_DEEPEST = 4
_INTEGER_BOUND = 2**63
_WITHHELD = frozenset(
    {
        "payload",
        "payload_bytes",
        "result",
        "result_bytes",
        "headers",
        "password",
        "token",
        "lease_token",
        "database_url",
        "dsn",
    }
)
_OWN = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})


def configure(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Send all logs of the process to a stream (standard error), from a level on ("info").

    The form is "json", one object a line, or "text" for people; "auto" means text to a terminal and JSON elsewhere.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    as_text = form == "text" or (form == "auto" and stream.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line: time, level, logger, message, the facts, and the error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        document: dict[str, object] = {
            "time": _time(record).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": cut(record.getMessage(), _LONGEST_FACT),
        }
        if record.exc_info and record.exc_info[0] is not None:
            document["exception"] = {
                "type": record.exc_info[0].__name__,
                "message": cut(str(record.exc_info[1]), _LONGEST_FACT),
                "stack_trace": cut(self.formatException(record.exc_info), _LONGEST_STACK),
            }
        return orjson.dumps({**document, **_without(_facts(record), document)}).decode()


class TextFormatter(logging.Formatter):
    """Writes a record for a terminal: time, level, message, name=value; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the stack trace below it."""
        facts = "".join(f"  {name}={_shown(value)}" for name, value in _facts(record).items())
        message = printable(cut(record.getMessage(), _LONGEST_FACT))
        line = f"{_time(record):%H:%M:%S.%f} {record.levelname.lower():<7} {message}{facts}"
        if not record.exc_info or record.exc_info[0] is None:
            return line
        trace = cut(self.formatException(record.exc_info), _LONGEST_STACK)
        return "\n".join([line, *(printable(text) for text in trace.splitlines())])


def _without(facts: dict[str, object], taken: dict[str, object]) -> dict[str, object]:
    """Leave out facts that would hide what every line has."""
    return {name: fact for name, fact in facts.items() if name not in taken}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {
        cut(name, _LONGEST_FACT): "(withheld)" if name in _WITHHELD else _plain(value, 0)
        for name, value in vars(record).items()
        if name not in _OWN
    }


def _plain(value: object, depth: int) -> object:
    """Turn a fact into what JSON holds, of bounded size."""
    if isinstance(value, dict | list | tuple | set | frozenset) and depth >= _DEEPEST:
        return "(deeper)"
    if isinstance(value, dict):
        return _plain_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item, _ in zip(value, range(_MOST_ITEMS), strict=False)]
    return _plain_scalar(value)


def _plain_scalar(value: object) -> object:
    match value:
        case None | bool() | float():
            return value
        case int() if abs(value) < _INTEGER_BOUND:
            return value
        case bytes() | bytearray() | memoryview():
            return f"({len(value)} bytes)"
        case timedelta():
            return value.total_seconds()
        case _:
            return cut(str(value), _LONGEST_FACT)


def _plain_mapping(value: Mapping[object, object], depth: int) -> dict[str, object]:
    some = zip(value.items(), range(_MOST_ITEMS), strict=False)
    return {
        cut(str(name), _LONGEST_FACT): "(withheld)" if name in _WITHHELD else _plain(item, depth + 1)
        for (name, item), _ in some
    }


def _shown(value: object) -> str:
    return printable(value) if isinstance(value, str) and value and " " not in value else printable(repr(value))


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
