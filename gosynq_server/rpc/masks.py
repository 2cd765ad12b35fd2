"""Field masks: what an update names of a message, and how it is written over another (AIP-134)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq_server.domain.errors import UpdateMaskInvalid

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from google.protobuf.field_mask_pb2 import FieldMask
    from google.protobuf.message import Message

_OURS = "gosynq.v1."


def covered(mask: FieldMask, message: Message, *, passed_over: Collection[str]) -> tuple[str, ...]:
    """Return the paths that a mask names of a message: all for "*", the fields that are set for an empty one.

    Fields in passed_over are none of them. Raises UpdateMaskInvalid for a path that the message has not.
    """
    fields = message.DESCRIPTOR.fields_by_name
    if "*" in mask.paths:
        return tuple(name for name in fields if name not in passed_over)
    if not mask.paths:
        return tuple(field.name for field, _ in message.ListFields() if field.name not in passed_over)
    for path in mask.paths:
        _check(path, message.DESCRIPTOR)
    return tuple(path for path in mask.paths if path.partition(".")[0] not in passed_over)


def merge(target: Message, source: Message, paths: Iterable[str]) -> None:
    """Write fields of one message over those of another of its type; what is not set there is cleared."""
    named = [path.partition(".") for path in paths]
    # Clearing comes first: of fields that exclude each other the one that is set stays.
    for name, _, rest in named:
        if not rest:
            target.ClearField(name)
    for name, _, rest in named:
        if rest:
            merge(getattr(target, name), getattr(source, name), (rest,))
        else:
            _copy(target, source, name)


def _copy(target: Message, source: Message, name: str) -> None:
    if name not in {field.name for field, _ in source.ListFields()}:
        return
    value = getattr(source, name)
    field = target.DESCRIPTOR.fields_by_name[name]
    if field.message_type is None:
        setattr(target, name, value)
    else:
        getattr(target, name).MergeFrom(value)


def _check(path: str, descriptor: Any) -> None:
    inside = descriptor
    for name in path.split("."):
        field = None if inside is None else inside.fields_by_name.get(name)
        if field is None:
            raise UpdateMaskInvalid(path=path)
        # A map, or a message of another's, is changed as a whole.
        ours = field.message_type is not None and field.message_type.full_name.startswith(_OURS)
        inside = field.message_type if ours and not field.message_type.GetOptions().map_entry else None
