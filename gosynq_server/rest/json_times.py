"""Moments, lengths of time and field masks as the strings that JSON has for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gosynq_server.rest.json_scalars import read_string
from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.field_mask_pb2 import FieldMask
    from google.protobuf.timestamp_pb2 import Timestamp

_ZONE: Final = r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_LOCAL: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?"
_MOMENT: Final = re.compile(_LOCAL + _ZONE, re.ASCII)
_ZONELESS: Final = re.compile(_LOCAL, re.ASCII)
_LENGTH: Final = re.compile(r"-?\d{1,12}(\.\d{1,9})?s", re.ASCII)
_MASK: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.]*(,[A-Za-z][A-Za-z0-9_.]*)*)?", re.ASCII)
_CAPITAL: Final = re.compile(r"[A-Z]")
_HUMP: Final = re.compile(r"_([a-z])")


def read_timestamp(timestamp: Timestamp, value: object, _depth: int) -> None:
    """Fill a Timestamp from a moment in RFC 3339, whose zone has to be said."""
    text = read_string(value).upper()
    if _ZONELESS.fullmatch(text):
        raise FieldInvalid("", "needs a time zone, such as Z or +02:00")
    if not _MOMENT.fullmatch(text):
        raise FieldInvalid("", "must be a moment in RFC 3339, such as 2026-01-31T08:00:00Z")
    try:
        timestamp.FromJsonString(text)
    except ValueError:
        raise FieldInvalid("", "is not a moment of the years 1 to 9999") from None
    timestamp.SetInParent()


def read_duration(duration: Duration, value: object, _depth: int) -> None:
    """Fill a Duration from seconds with an s."""
    text = read_string(value)
    if not _LENGTH.fullmatch(text):
        raise FieldInvalid("", "must be a number of seconds with an s, such as 90s or 1.5s")
    try:
        duration.FromJsonString(text)
    except ValueError:
        raise FieldInvalid("", "is longer than 10000 years") from None
    duration.SetInParent()


def read_field_mask(mask: FieldMask, value: object, _depth: int) -> None:
    """Fill a FieldMask from paths joined by commas, in snake_case or lowerCamelCase, or from a star for all of them."""
    text = read_string(value)
    if text != "*" and not _MASK.fullmatch(text):
        raise FieldInvalid("", "must be field paths joined by commas, such as limits.maxConcurrency")
    mask.SetInParent()
    if text:
        mask.paths.extend(_CAPITAL.sub(lambda capital: "_" + capital[0].lower(), text).split(","))


def write_field_mask(mask: FieldMask) -> str:
    """Return a FieldMask's paths in lowerCamelCase, joined by commas."""
    return _HUMP.sub(lambda hump: hump[1].upper(), ",".join(mask.paths))
