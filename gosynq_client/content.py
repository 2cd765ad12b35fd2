"""What jobs carry and return: a JSON object becomes exact bytes on the wire, and either form on it a dict again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import Struct, Value

if TYPE_CHECKING:
    from gosynq_client.jobs import Content, JsonObject

_JSON = "application/json"
_OPAQUE = "application/octet-stream"


def encode(payload: Content, content_type: str) -> tuple[bytes, str]:
    """Give the bytes to send and their media type; "" stands for the usual one of the payload's form.

    A JSON object goes as its document and not as a Struct, which would make every number a double. Raises TypeError
    or ValueError for what JSON can't hold, NaN among it, and for a media type beside a JSON object.
    """
    if isinstance(payload, bytes):
        return payload, content_type or _OPAQUE
    if content_type:
        raise ValueError("content_type goes with bytes: a JSON object has its own")
    document = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return document.encode(), _JSON
    except UnicodeEncodeError as error:
        raise ValueError("the payload has half of a surrogate pair, which UTF-8 can't hold") from error


def decode(document: bytes, content_type: str) -> Content:
    """Give the JSON object that the bytes are, or the bytes as they came if they are anything else."""
    if content_type.partition(";")[0].strip().lower() != _JSON:
        return document
    try:
        value = json.loads(document)
    except ValueError:
        return document
    return value if isinstance(value, dict) else document


def plain_object(struct: Struct) -> JsonObject:
    """Give a Struct as a dict; a Struct has doubles only, of which the whole ones become integers again."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> object:
    match value.WhichOneof("kind"):
        case "struct_value":
            return plain_object(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "number_value":
            return int(value.number_value) if value.number_value.is_integer() else value.number_value
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
