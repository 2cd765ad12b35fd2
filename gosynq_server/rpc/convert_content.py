"""Payloads and results between the wire's two forms, a Struct or bytes, and the one that is kept: bytes."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf import struct_pb2

from gosynq_server.domain.job import JSON_CONTENT_TYPE
from gosynq_server.rpc.convert import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH_LIMIT = 32
"""Objects and lists inside one another: a Struct of that depth stays below protobuf's limit of 100 nested messages."""

_EXACT = 2**53
_LONG_NUMBER = re.compile(rb"\d{19}")
_OPENING = (b"{", b"[")


class _NoStructError(ValueError):
    """A JSON value that a Struct would change."""


def json_of(struct: struct_pb2.Struct, field: str) -> bytes:
    """Return a Struct as canonical JSON: sorted keys, whole doubles as integers; ValidationFailed names field."""
    return orjson.dumps(_object_of(struct.fields, field, DEPTH_LIMIT), option=orjson.OPT_SORT_KEYS)


def checked_json(content: bytes, field: str) -> bytes:
    """Return the bytes as they are if they are JSON (RFC 8259) that is not too deep; else ValidationFailed."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise refusal(field, f"must be JSON: {error}", "json.malformed") from None
    if sum(map(content.count, _OPENING)) > DEPTH_LIMIT and _is_deeper(value, DEPTH_LIMIT):
        raise _too_deep(field)
    return content


def struct_of(content: bytes, content_type: str) -> struct_pb2.Struct | None:
    """Return the content as a Struct, or None where it would be another: no JSON object, or a greater integer."""
    if content_type != JSON_CONTENT_TYPE:
        return None
    struct = struct_pb2.Struct()
    try:
        _fill(struct, _parsed(content), DEPTH_LIMIT)
    except ValueError:
        return None
    return struct


def _parsed(content: bytes) -> Any:
    value = orjson.loads(content)
    # orjson makes a double of an integer beyond 64 bits; json keeps it whole, and is slow, and recurses.
    if _LONG_NUMBER.search(content) and not _is_deeper(value, DEPTH_LIMIT):
        return json.loads(content)
    return value


def _object_of(fields: Mapping[str, struct_pb2.Value], field: str, room: int) -> dict[str, Any]:
    if not room:
        raise _too_deep(field)
    return {name: _value_of(value, field, room - 1) for name, value in fields.items()}


def _value_of(value: struct_pb2.Value, field: str, room: int) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return _number_of(value.number_value, field)
        case "bool_value":
            return value.bool_value
        case "null_value":
            return None
        case "struct_value":
            return _object_of(value.struct_value.fields, field, room)
        case "list_value":
            return _list_of(value.list_value, field, room)
        case _:
            raise refusal(field, "must have a kind in each of its values", "struct.kind")


def _list_of(values: struct_pb2.ListValue, field: str, room: int) -> list[Any]:
    if not room:
        raise _too_deep(field)
    return [_value_of(item, field, room - 1) for item in values.values]


def _number_of(number: float, field: str) -> float:
    if not math.isfinite(number):
        raise refusal(field, "must not contain NaN or Infinity", "struct.finite")
    return int(number) if abs(number) <= _EXACT and number.is_integer() else number


def _fill(struct: struct_pb2.Struct, value: Any, room: int) -> None:
    if not isinstance(value, dict) or not room:
        raise _NoStructError
    for name, item in value.items():
        _put(struct.fields[name], item, room - 1)


def _put(target: struct_pb2.Value, item: Any, room: int) -> None:
    match item:
        case str():
            target.string_value = item
        case bool():
            target.bool_value = item
        case int() | float():
            target.number_value = _double_of(item)
        case None:
            target.null_value = struct_pb2.NULL_VALUE
        case list():
            _put_list(target.list_value, item, room)
        case _:
            target.struct_value.SetInParent()
            _fill(target.struct_value, item, room)


def _put_list(target: struct_pb2.ListValue, items: list[Any], room: int) -> None:
    if not room:
        raise _NoStructError
    target.SetInParent()
    for item in items:
        _put(target.values.add(), item, room - 1)


def _double_of(number: float) -> float:
    if isinstance(number, int) and abs(number) > _EXACT:
        raise _NoStructError
    return float(number)


def _is_deeper(value: Any, room: int) -> bool:
    match value:
        case dict():
            return not room or any(_is_deeper(item, room - 1) for item in value.values())
        case list():
            return not room or any(_is_deeper(item, room - 1) for item in value)
        case _:
            return False


def _too_deep(field: str) -> Exception:
    return refusal(field, f"must not nest deeper than {DEPTH_LIMIT}", "json.depth")
