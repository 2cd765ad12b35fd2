"""What is said on a command line beside settings: read here, and refused as a usage error that names it."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from gosynq_server.config.durations import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import StrEnum

_Word = TypeVar("_Word", bound="StrEnum")

_UNKNOWN = "unknown"
_SHOWN = 64


def duration(text: str, option: str) -> timedelta | None:
    """Read a length of time; None where nothing is said."""
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        message = f"{text!r} is not a duration such as 30s, 5m or 1h30m"
        raise typer.BadParameter(message, param_hint=option) from error


def moment(text: str, option: str) -> datetime | None:
    """Read a moment with its zone (RFC 3339); None where nothing is said."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is not a moment such as 2030-01-31T12:00:00Z"
        raise typer.BadParameter(message, param_hint=option) from error
    if parsed.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone; a Z at its end makes it UTC", param_hint=option)
    try:
        return parsed.astimezone(UTC)
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is not in the years 1 to 9999 of UTC", param_hint=option) from error


def since(text: str, option: str, *, now: datetime) -> datetime | None:
    """Read a moment, or how long ago it was; None where nothing is said."""
    if "-" in text or not text:
        return moment(text, option)
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is neither a duration such as 10m nor a moment such as 2030-01-31T12:00:00Z"
        raise typer.BadParameter(message, param_hint=option) from error


def weights(pairs: Sequence[str], option: str) -> dict[str, int]:
    """Read KEY=NUMBER pairs; the key may have a = in it."""
    read: dict[str, int] = {}
    for pair in pairs:
        key, said, number = pair.rpartition("=")
        if not (said and number.isascii() and number.isdigit()) or key in read:
            raise typer.BadParameter("a weight is KEY=NUMBER, and each key is given once", param_hint=option)
        read[key] = int(number)
    return read


def word(kind: type[_Word], text: str, option: str) -> _Word | None:
    """Read one word of a closed set; None where nothing is said."""
    return words(kind, [text], option)[0] if text else None


def job_ids(given: Sequence[str]) -> list[str]:
    """Read ids of jobs; - stands for those on standard input."""
    return [job_id for each in given for job_id in (sys.stdin.read().split() if each == "-" else [each])]


def labels(pairs: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE pairs."""
    read = dict(pair.partition("=")[::2] for pair in pairs if "=" in pair)
    if len(read) != len(pairs):
        raise typer.BadParameter("a label is NAME=VALUE, and each name is given once", param_hint="--label")
    return read


def words(kind: type[_Word], texts: Sequence[str], option: str) -> list[_Word]:
    """Read words of a closed set."""
    allowed = [word.value for word in kind if word.value != _UNKNOWN]
    for text in texts:
        if text.lower() not in allowed:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(allowed)}", param_hint=option)
    return [kind(text.lower()) for text in texts]


def payload(text: str, content_type: str) -> dict[str, object] | bytes:
    """Read a payload: itself, - for standard input, @PATH for a file; a JSON object unless it has another type."""
    document = _document(text)
    if content_type:
        return document
    try:
        value = json.loads(document, object_pairs_hook=_object, parse_float=_real, parse_constant=_real)
    except _Unclear as error:
        raise typer.BadParameter(f"the payload is not clear: {error}") from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"the payload is not JSON: {error}; --content-type says what else it is") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("the payload is JSON, but no object; with --content-type application/json any goes")
    return value


class _Unclear(Exception):
    """JSON that readers do not agree on, or that a double can't hold."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            raise _Unclear(f"the key {key[:_SHOWN]!r} is given twice")
        members[key] = value
    return members


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Unclear(f"{text[:_SHOWN]} is no number that JSON and a double can hold")
    return number


def _document(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode(errors="surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"the payload's file cannot be read: {error}") from error
