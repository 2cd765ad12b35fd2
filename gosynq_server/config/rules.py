"""What a setting may be: each rule reads a text or a TOML value, and says in words what it allows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar

from gosynq_server.config.durations import format_duration, parse_duration

_Ordered = TypeVar("_Ordered", int, float, timedelta)


class Rule(Protocol):
    """Reads a value; `allowed` finishes the sentence "it must be ..."."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""

    def read(self, value: object) -> object:
        """Return the setting's value; raise ValueError for what is not allowed."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within bounds, both included."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object) -> int:
        """Return the number; raise ValueError."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise _refused(value)
        return _within(int(_plain(value)), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Real:
    """A number within bounds, both included."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a number from {self.low:g} to {self.high:g}"

    def read(self, value: object) -> float:
        """Return the number; raise ValueError."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise _refused(value)
        try:
            number = float(_plain(value))
        except OverflowError as error:
            raise ValueError(value) from error
        if math.isnan(number):
            raise ValueError(value)
        return _within(number, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time within bounds, both included; a bare number is refused, its unit would be a guess."""

    low: timedelta
    high: timedelta

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a duration from {format_duration(self.low)} to {format_duration(self.high)}, such as 30s, 5m or 1h30m"

    def read(self, value: object) -> timedelta:
        """Return the length; raise ValueError."""
        return _within(parse_duration(_text(value)), self.low, self.high)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"one of {', '.join(self.words)}"

    def read(self, value: object) -> str:
        """Return the word; raise ValueError."""
        word = _text(value).lower()
        if word not in self.words:
            raise ValueError(value)
        return word


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "on or off (true or false, yes or no, 1 or 0)"

    def read(self, value: object) -> bool:
        """Return whether it is on; raise ValueError."""
        if isinstance(value, bool):
            return value
        word = _text(value).lower()
        if word in {"on", "true", "yes", "1"}:
            return True
        if word in {"off", "false", "no", "0"}:
            return False
        raise ValueError(value)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is not empty and holds no character below the space; with a pattern, one that matches it whole."""

    allowed: str = "a text of one line"
    pattern: str = ".*"

    def read(self, value: object) -> str:
        """Return the text; raise ValueError."""
        text = _text(value)
        if not text or any(character < " " for character in text) or re.fullmatch(self.pattern, text) is None:
            raise ValueError(value)
        return text


@dataclass(frozen=True, slots=True)
class Several:
    """Any number of values of one rule: a TOML array, a flag given again, or one text with commas."""

    each: Rule

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f"a list, each item being {self.each.allowed}"

    def read(self, value: object) -> tuple[object, ...]:
        """Return the values in order; raise ValueError."""
        items = value if isinstance(value, list | tuple) else _text(value).split(",")
        return tuple(self.each.read(part) for item in items for part in self._parts(item))

    def _parts(self, item: object) -> list[object]:
        return [part.strip() for part in item.split(",") if part.strip()] if isinstance(item, str) else [item]


def _refused(value: object) -> ValueError:
    """Return the error for a wrong type, which is refused as any other wrong value is."""
    return ValueError(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _refused(value)
    return value.strip()


def _plain(value: float | str) -> float | str:
    """Refuse what int and float read beyond plain numbers: 1_000, full-width digits."""
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise ValueError(value)
    return value


def _within(value: _Ordered, low: _Ordered, high: _Ordered) -> _Ordered:
    if not low <= value <= high:
        raise ValueError(value)
    return value
