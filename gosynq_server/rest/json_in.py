"""JSON trees as protobuf messages, by one plan per message type that is made once from its descriptor.

A refusal is raised where the value is and gets its path on the way out, so that a good document pays for no path.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor

from gosynq_server.rest.descriptors import enum_names, map_entry
from gosynq_server.rest.json_scalars import read_bool, read_bytes, read_enum, read_integer, read_real, read_string
from gosynq_server.rest.json_struct import read_struct
from gosynq_server.rest.json_text import check_depth, mismatch
from gosynq_server.rest.json_times import read_duration, read_field_mask, read_timestamp
from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    Fill = Callable[[Any, Any, int], None]
    """Fills a message, or a field of one, from a value at a depth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One field: how to fill it, and the oneof of which it is."""

    name: str
    fill: Fill
    oneof: str | None


def read_message(message: Message, tree: object, depth: int = 1) -> None:
    """Fill a message from an object that stands at that depth of the document; null leaves a field unset.

    Raises FieldInvalid for a field that the message does not have, that is given twice, or whose value does not fit.
    """
    if not isinstance(tree, dict):
        raise mismatch(tree, "an object")
    check_depth(depth)
    message.SetInParent()
    slots = _slots(message.DESCRIPTOR)
    taken: dict[str, str] = {}
    for key, value in tree.items():
        if (slot := slots.get(key)) is None:
            raise FieldInvalid(key, "is not a field here")
        if value is not None:
            _claim(slot, taken)
            _fill(slot, message, value, depth)


def _fill(slot: _Slot, message: Message, value: object, depth: int) -> None:
    try:
        slot.fill(message, value, depth)
    except FieldInvalid as invalid:
        raise invalid.under(slot.name) from None


def _claim(slot: _Slot, taken: dict[str, str]) -> None:
    """Note that a field, and the oneof of which it is, has its value: each takes one."""
    place = slot.oneof or slot.name
    if place in taken:
        other = taken[place]
        raise FieldInvalid(slot.name, "is given twice" if other == slot.name else f"can't be joined with {other}")
    taken[place] = slot.name


@cache
def _slots(descriptor: Descriptor) -> Mapping[str, _Slot]:
    slots = {}
    for field in descriptor.fields:
        oneof = field.containing_oneof.name if field.containing_oneof else None
        slots[field.name] = slots[field.json_name] = _Slot(name=field.name, fill=_filler(field), oneof=oneof)
    return slots


def _filler(field: FieldDescriptor) -> Fill:
    if (entry := map_entry(field)) is not None:
        return partial(_fill_map, field.name, _scalar_reader(entry.fields_by_name["value"]))
    if field.message_type is not None:
        fill = _fill_messages if field.is_repeated else _fill_message
        return partial(fill, field.name, _WELL_KNOWN.get(field.message_type.full_name, read_message))
    return partial(_fill_scalars if field.is_repeated else _fill_scalar, field.name, _scalar_reader(field))


def _scalar_reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type is not None:
        return partial(read_enum, names=enum_names(field.enum_type))
    return _SCALARS[field.type]


def _fill_scalar(name: str, read: Callable[[Any], Any], message: Message, value: object, _depth: int) -> None:
    setattr(message, name, read(value))


def _fill_scalars(name: str, read: Callable[[Any], Any], message: Message, value: object, depth: int) -> None:
    target = getattr(message, name)
    _each(value, depth, lambda item: target.append(read(item)))


def _fill_message(name: str, read: Fill, message: Message, value: object, depth: int) -> None:
    read(getattr(message, name), value, depth + 1)


def _fill_messages(name: str, read: Fill, message: Message, value: object, depth: int) -> None:
    target = getattr(message, name)
    _each(value, depth, lambda item: read(target.add(), item, depth + 2))


def _fill_map(name: str, read: Callable[[Any], Any], message: Message, value: object, depth: int) -> None:
    if not isinstance(value, dict):
        raise mismatch(value, "an object")
    check_depth(depth + 1)
    target = getattr(message, name)
    for key, item in value.items():
        try:
            target[read_string(key)] = read(item)
        except FieldInvalid as invalid:
            raise invalid.under(f"[{key!r}]") from None


def _each(value: object, depth: int, put: Callable[[Any], None]) -> None:
    if not isinstance(value, list):
        raise mismatch(value, "a list")
    check_depth(depth + 1)
    for index, item in enumerate(value):
        try:
            put(item)
        except FieldInvalid as invalid:
            raise invalid.under(f"[{index}]") from None


_WELL_KNOWN: Final[Mapping[str, Fill]] = {
    "google.protobuf.Duration": read_duration,
    "google.protobuf.FieldMask": read_field_mask,
    "google.protobuf.Struct": read_struct,
    "google.protobuf.Timestamp": read_timestamp,
}

_SCALARS: Final[Mapping[int, Callable[[Any], Any]]] = {
    FieldDescriptor.TYPE_BOOL: read_bool,
    FieldDescriptor.TYPE_BYTES: read_bytes,
    FieldDescriptor.TYPE_DOUBLE: read_real,
    FieldDescriptor.TYPE_INT32: partial(read_integer, bits=32),
    FieldDescriptor.TYPE_INT64: partial(read_integer, bits=64),
    FieldDescriptor.TYPE_STRING: read_string,
}
