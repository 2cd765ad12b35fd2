"""The schema's own rules, held once for every message that comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError, Message
from protovalidate import collect_violations

from gosynq_server.domain.errors import FieldViolation, ValidationFailed
from gosynq_server.rpc.errors import VIOLATION_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

_KEY_LIMIT = 64


class Malformed:
    """Stands for a request whose bytes are no message of its type."""


def check(message: Message, *, fail_fast: bool = False) -> None:
    """Raise ValidationFailed if the message breaks rules of its schema, naming the first VIOLATION_LIMIT of them.

    With fail_fast only the first is looked for. A list's own rules come before those of what is in it.
    """
    if violations := collect_violations(message, fail_fast=fail_fast):
        raise ValidationFailed(tuple(_violation(found.proto) for found in violations[:VIOLATION_LIMIT]))


def malformed() -> ValidationFailed:
    """Return the error of bytes that are no message, or one nested deeper than protobuf allows."""
    description = "its bytes are no message of the expected type, or nest too deep"
    return ValidationFailed((FieldViolation(field="request", description=description, reason="message.malformed"),))


def lenient(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message | Malformed]:
    """Return a deserializer that leaves it to an interceptor to refuse bytes: the library tells of an exception."""

    def deserialize_or_mark(data: bytes) -> Message | Malformed:
        try:
            return deserialize(data)
        except DecodeError:
            return Malformed()

    return deserialize_or_mark


def _violation(found: Any) -> FieldViolation:
    path = ".".join(_step(element) for element in found.field.elements) if found.field else "request"
    return FieldViolation(field=path, description=found.message, reason=found.rule_id)


def _step(element: Any) -> str:
    if element.subscript is None:
        return str(element.field_name)
    key = element.subscript.value
    shown = repr(key[:_KEY_LIMIT]) if isinstance(key, str) else str(key)
    return f"{element.field_name}[{shown}]"
