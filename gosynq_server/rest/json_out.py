"""Protobuf messages as JSON trees, by one plan per message type that is made once from its descriptor."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.rpc import error_details_pb2  # noqa: F401 - brings the types of error details into the pool

from gosynq_server.rest.descriptors import enum_names, map_entry
from gosynq_server.rest.json_struct import write_real, write_struct
from gosynq_server.rest.json_times import write_field_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    Write = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One field: how to write it, and whether it can be unset, in which case it is left out."""

    name: str
    write: Write
    has_presence: bool


def write_message(message: Message) -> dict[str, Any]:
    """Return the object that stands for a message: snake_case names, every field but the unset ones."""
    tree = {}
    for slot in _slots(message.DESCRIPTOR):
        if slot.has_presence and not message.HasField(slot.name):
            continue
        tree[slot.name] = slot.write(getattr(message, slot.name))
    return tree


def write_any(packed: AnyMessage) -> dict[str, Any]:
    """Return the object of a packed message with its type beside it; one of an unknown type keeps its bytes."""
    name = packed.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return {"@type": packed.type_url, "value": _write_bytes(packed.value)}
    message = message_factory.GetMessageClass(descriptor)()
    packed.Unpack(message)
    return {"@type": packed.type_url, **write_message(message)}


@cache
def _slots(descriptor: Descriptor) -> tuple[_Slot, ...]:
    return tuple(
        _Slot(name=field.name, write=_writer(field), has_presence=field.has_presence) for field in descriptor.fields
    )


def _writer(field: FieldDescriptor) -> Write:
    if (entry := map_entry(field)) is not None:
        write_value = _item_writer(entry.fields_by_name["value"])
        return lambda entries: {key: write_value(entries[key]) for key in sorted(entries)}
    write = _item_writer(field)
    return (lambda items: [write(item) for item in items]) if field.is_repeated else write


def _item_writer(field: FieldDescriptor) -> Write:
    if field.enum_type is not None:
        return partial(_write_enum, enum_names(field.enum_type).short_of)
    if field.message_type is not None:
        return _WELL_KNOWN.get(field.message_type.full_name, write_message)
    return _SCALARS.get(field.type, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


def _write_enum(short_of: Mapping[int, str], number: int) -> str | int:
    return short_of.get(number, number)


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


_WELL_KNOWN: Final[Mapping[str, Write]] = {
    "google.protobuf.Any": write_any,
    "google.protobuf.Duration": lambda duration: duration.ToJsonString(),
    "google.protobuf.FieldMask": write_field_mask,
    "google.protobuf.Struct": write_struct,
    "google.protobuf.Timestamp": lambda timestamp: timestamp.ToJsonString(),
}

_SCALARS: Final[Mapping[int, Write]] = {
    FieldDescriptor.TYPE_BYTES: _write_bytes,
    FieldDescriptor.TYPE_DOUBLE: write_real,
}
