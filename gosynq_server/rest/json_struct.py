"""google.protobuf.Struct and the JSON object that it stands for."""

from __future__ import annotations

import math
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from gosynq_server.rest.json_scalars import read_string
from gosynq_server.rest.json_text import check_depth, mismatch
from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.struct_pb2 import Struct, Value

MAX_WHOLE: Final = 2**53


def read_struct(struct: Struct, tree: object, depth: int) -> None:
    """Fill a Struct from an object that stands at that depth of the document."""
    if not isinstance(tree, dict):
        raise mismatch(tree, "an object")
    check_depth(depth)
    struct.SetInParent()
    for key, value in tree.items():
        try:
            _read_value(struct.fields[read_string(key)], value, depth + 1)
        except FieldInvalid as invalid:
            raise invalid.under(key) from None


def write_struct(struct: Struct) -> dict[str, Any]:
    """Return the object that a Struct stands for, its keys sorted: protobuf gives them in no order."""
    return {key: _write_value(value) for key, value in sorted(struct.fields.items(), key=itemgetter(0))}


def write_real(number: float) -> int | float | str:
    """Return a double as JSON has it: whole ones as integers, and what JSON lacks by the names that protobuf gives."""
    if number.is_integer() and abs(number) <= MAX_WHOLE:
        return int(number)
    if math.isfinite(number):
        return number
    return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")


def _read_value(target: Value, value: object, depth: int) -> None:
    put = _VALUE_READERS.get(type(value))
    if put is None:
        raise mismatch(value, "a JSON value")
    put(target, value, depth)


def _read_null(target: Value, _value: None, _depth: int) -> None:
    target.null_value = 0  # type: ignore[assignment] # NULL_VALUE, the enum's only number


def _read_bool(target: Value, value: bool, _depth: int) -> None:  # noqa: FBT001 - a value being converted, no option
    target.bool_value = value


def _read_integer(target: Value, value: int, _depth: int) -> None:
    if abs(value) > MAX_WHOLE:
        problem = "is an integer beyond 2^53, which a double can't hold; send it as a string"
        raise FieldInvalid("", problem, reason="NUMBER_PRECISION")
    target.number_value = value


def _read_real(target: Value, value: float, _depth: int) -> None:
    target.number_value = value


def _read_string(target: Value, value: str, _depth: int) -> None:
    target.string_value = read_string(value)


def _read_list(target: Value, items: list[Any], depth: int) -> None:
    check_depth(depth)
    target.list_value.SetInParent()
    for index, item in enumerate(items):
        try:
            _read_value(target.list_value.values.add(), item, depth + 1)
        except FieldInvalid as invalid:
            raise invalid.under(f"[{index}]") from None


def _read_object(target: Value, tree: dict[str, Any], depth: int) -> None:
    read_struct(target.struct_value, tree, depth)


_VALUE_READERS: Final[Mapping[type, Callable[[Value, Any, int], None]]] = {
    NoneType: _read_null,
    bool: _read_bool,
    int: _read_integer,
    float: _read_real,
    str: _read_string,
    list: _read_list,
    dict: _read_object,
}


def _write_value(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    return _VALUE_WRITERS[kind](value) if kind else None


_VALUE_WRITERS: Final[Mapping[str, Callable[[Value], Any]]] = {
    "null_value": lambda _value: None,
    "bool_value": lambda value: value.bool_value,
    "number_value": lambda value: write_real(value.number_value),
    "string_value": lambda value: value.string_value,
    "list_value": lambda value: [_write_value(item) for item in value.list_value.values],
    "struct_value": lambda value: write_struct(value.struct_value),
}
