"""JSON values as protobuf scalars: each reader returns what the field takes, or refuses and says what it takes."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from gosynq_server.rest.json_text import mismatch
from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from gosynq_server.rest.descriptors import EnumNames

_INTEGER_TEXT: Final = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER_TEXT: Final = re.compile(r"-?\d{1,20}(\.\d{1,20})?", re.ASCII)
_URL_SAFE: Final = str.maketrans("-_", "+/")


def read_string(value: object) -> str:
    """Return a text, which has no NUL and no half of a surrogate pair: neither PostgreSQL nor protobuf takes them."""
    if not isinstance(value, str):
        raise mismatch(value, "a string")
    if "\0" in value:
        raise FieldInvalid("", "has a NUL character")
    if not value.isascii():
        _check_surrogates(value)
    return value


def read_bytes(value: object) -> bytes:
    """Return the bytes of a base64 text, of either alphabet, padded or not."""
    text = read_string(value).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise FieldInvalid("", "must be base64") from None


def read_bool(value: object) -> bool:
    """Return true or false; nothing else stands for them."""
    if not isinstance(value, bool):
        raise mismatch(value, "true or false")
    return value


def read_integer(value: Any, *, bits: int) -> int:
    """Return a signed integer of that many bits, from a number or from its text."""
    limit = 1 << (bits - 1)
    number = _whole(value)
    if number is None:
        raise mismatch(value, "an integer")
    if not -limit <= number < limit:
        raise FieldInvalid("", f"must lie between {-limit} and {limit - 1}")
    return number


def read_real(value: Any) -> float:
    """Return a double, from a number or from its text."""
    if isinstance(value, str) and _NUMBER_TEXT.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch(value, "a number")
    return float(value)


def read_enum(value: object, *, names: EnumNames) -> int:
    """Return an enum's number, from its short name, its full name or itself."""
    if isinstance(value, str) and value in names.number_of:
        return names.number_of[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in names.short_of:
        return value
    raise mismatch(value, f"one of {names.offered}")


def _whole(value: Any) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if _INTEGER_TEXT.fullmatch(value):
            return int(value)
        case _:
            return None


def _check_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise FieldInvalid("", "has half of a surrogate pair") from None
