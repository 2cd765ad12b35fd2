"""What JSON needs to know of a descriptor: the short names of enums, and which fields are maps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumNames:
    """One enum's names in JSON, short and lower case: `pending` for JOB_STATUS_PENDING.

    `number_of` knows the short and the full ones; `offered` is what a caller may choose from.
    """

    short_of: Mapping[int, str]
    number_of: Mapping[str, int]
    offered: str


@cache
def enum_names(enum: EnumDescriptor) -> EnumNames:
    """Return the names of an enum, whose values begin with its own name as buf's STANDARD rules ask for."""
    prefix = _WORD_START.sub("_", enum.name).upper() + "_"
    short_of = {value.number: value.name.removeprefix(prefix).lower() for value in enum.values}
    number_of = {value.name: value.number for value in enum.values}
    number_of |= {name: number for number, name in short_of.items()}
    return EnumNames(
        short_of=short_of,
        number_of=number_of,
        offered=", ".join(name for number, name in short_of.items() if number),
    )


def message_type(message: Descriptor, field: str) -> Descriptor:
    """Return the type of a message's field that is itself a message; without a name, the message's own."""
    return cast("Descriptor", message.fields_by_name[field].message_type) if field else message


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """Return the entry message of a map field, which a descriptor has as a list of such entries; None for others."""
    entry = field.message_type
    return entry if entry is not None and entry.GetOptions().map_entry else None
