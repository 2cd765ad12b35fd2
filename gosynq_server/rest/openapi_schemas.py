"""The contract's messages and enums as OpenAPI 3.1 schemas of the JSON that the edge takes and gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from gosynq_server.rest.descriptors import enum_names, map_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

    Schema = dict[str, Any]

ERROR_NAME: Final = "Error"

ERROR_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "Why a call failed: google.rpc.Status with two fields more.",
    "required": ["error", "code", "status", "message", "details"],
    "properties": {
        "error": {"type": "string", "description": "The message."},
        "code": {"type": "integer", "description": "The gRPC status code."},
        "status": {"type": "string", "description": "The gRPC status code's name, such as NOT_FOUND."},
        "message": {"type": "string", "description": "The message."},
        "details": {
            "type": "array",
            "description": "google.rpc.ErrorInfo, whose reason is stable, and others such as BadRequest and RetryInfo.",
            "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {"@type": {"type": "string"}},
                "additionalProperties": True,
            },
        },
    },
}

_WELL_KNOWN: Final[Mapping[str, Schema]] = {
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?\d+(\.\d{1,9})?s$", "examples": ["1.500s"]},
    "google.protobuf.FieldMask": {"type": "string", "examples": ["limits.maxConcurrency"]},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
}

_SCALARS: Final[Mapping[int, Schema]] = {
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
}


class Schemas:
    """Makes schemas, and keeps those of the messages and enums met on the way under `named`."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self.named: dict[str, Schema] = {ERROR_NAME: ERROR_SCHEMA}

    def field(self, field: FieldDescriptor) -> Schema:
        """Return the schema of a field, with its comment."""
        schema = {**self._shape(field), "description": self._comments[field.full_name]}
        if field_behavior_pb2.OUTPUT_ONLY in _behavior(field):
            schema["readOnly"] = True
        return schema

    def message(self, message: Descriptor) -> Schema:
        """Return the reference to a message's schema."""
        if message.name not in self.named:
            # Its place is taken first: a message may hold itself.
            schema = self.named[message.name] = {}
            schema |= {**self.fields(message.fields), "description": self._comments[message.full_name]}
        return _reference(message.name)

    def fields(self, fields: Iterable[FieldDescriptor]) -> Schema:
        """Return the schema of an object with these fields."""
        chosen = tuple(fields)
        schema: Schema = {"type": "object", "properties": {field.name: self.field(field) for field in chosen}}
        if required := [field.name for field in chosen if _is_required(field)]:
            schema["required"] = required
        return schema

    def _shape(self, field: FieldDescriptor) -> Schema:
        if (entry := map_entry(field)) is not None:
            return {"type": "object", "additionalProperties": self._item(entry.fields_by_name["value"])}
        item = self._item(field)
        return {"type": "array", "items": item} if field.is_repeated else item

    def _item(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if field.message_type is not None:
            return _WELL_KNOWN.get(field.message_type.full_name) or self.message(field.message_type)
        return _SCALARS[field.type]

    def _enum(self, enum: EnumDescriptor) -> Schema:
        names = enum_names(enum).short_of
        texts = {value.number: self._comments[f"{enum.full_name}.{value.name}"] for value in enum.values}
        values = (f"- `{name}`: {' '.join(texts[number].split())}" for number, name in names.items())
        text = "\n".join([self._comments[enum.full_name], "", *values])
        self.named[enum.name] = {"type": "string", "enum": list(names.values()), "description": text}
        return _reference(enum.name)


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in _behavior(field)


def _behavior(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
