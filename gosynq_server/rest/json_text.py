"""A strict JSON parser: what it refuses it leaves as a flaw in its place, so that the refusal can name the field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from gosynq_server.rest.refusals import FieldInvalid

MAX_DEPTH: Final = 32
MAX_NUMBER_LENGTH: Final = 64
MAX_EXPONENT: Final = 308
MIN_EXPONENT: Final = -324


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """A value that no field takes, and why. `key` is set where a key of the object, not its place, is wrong."""

    problem: str
    key: str = ""


def parse_json(body: bytes) -> Any:
    """Return the tree of a JSON document in UTF-8; raise FieldInvalid where it is none."""
    try:
        return _decoder.decode(body.decode())
    except UnicodeDecodeError as error:
        raise FieldInvalid("", f"is not UTF-8, from byte {error.start} on") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FieldInvalid("", f"is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise FieldInvalid("", f"is nested deeper than {MAX_DEPTH}") from None


def mismatch(value: object, expected: str) -> FieldInvalid:
    """Return the refusal of a value: for its own flaw if it has one, or for not being what was expected."""
    if isinstance(value, Flaw):
        return FieldInvalid(value.key, value.problem)
    return FieldInvalid("", f"must be {expected}")


def check_depth(depth: int) -> None:
    """Refuse an object or a list that stands deeper than a document may reach; the body itself stands at 1."""
    if depth > MAX_DEPTH:
        raise FieldInvalid("", f"is nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Flaw:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # add gives None, so the first repeated key is found
    return Flaw(problem="is given twice", key=twice)


def _integer(text: str) -> int | Flaw:
    return int(text) if len(text) <= MAX_NUMBER_LENGTH else _too_long()


def _real(text: str) -> float | Flaw:
    if len(text) > MAX_NUMBER_LENGTH:
        return _too_long()
    exponent = int(text.lower().partition("e")[2] or 0)
    number = float(text)
    if not MIN_EXPONENT <= exponent <= MAX_EXPONENT or math.isinf(number):
        return Flaw(problem="has an exponent that a double can't hold")
    return number


def _too_long() -> Flaw:
    return Flaw(problem=f"is a number of more than {MAX_NUMBER_LENGTH} characters")


def _constant(text: str) -> Flaw:
    return Flaw(problem=f"is {text}, which JSON does not have")


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
