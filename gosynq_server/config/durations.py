"""Lengths of time as people write them: 500ms, 30s, 5m, 1h30m, 14d."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = r"(\d{1,12}(?:\.\d{1,6})?)"
_SHAPE = re.compile("".join(rf"(?:{_PART}{unit})?" for unit in _UNITS), re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read a length such as "1h30m": units d, h, m, s, ms, largest first, each at most once; "0" needs none.

    Raises ValueError for anything else and for what a timedelta cannot hold.
    """
    text = text.strip()
    if text == "0":
        return timedelta()
    match = _SHAPE.fullmatch(text)
    if match is None or not text:
        raise ValueError(text)
    try:
        parts = (unit * float(number) for unit, number in zip(_UNITS.values(), match.groups(), strict=True) if number)
        return sum(parts, start=timedelta())
    except OverflowError as error:
        raise ValueError(text) from error


def format_duration(length: timedelta) -> str:
    """Write a length as `parse_duration` reads it, to the millisecond: "1h30m", "0s"."""
    rest, parts = length, []
    for name, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"
