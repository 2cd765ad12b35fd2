"""The schema's own rules, held once for every message that comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protovalidate import collect_violations

from gosynq_server.domain.errors import FieldViolation, ValidationFailed
from gosynq_server.rpc.errors import VIOLATION_LIMIT

if TYPE_CHECKING:
    from google.protobuf.message import Message

_KEY_LIMIT = 64


def check(message: Message) -> None:
    """Raise ValidationFailed if the message breaks rules of its schema, naming the first VIOLATION_LIMIT of them."""
    if violations := collect_violations(message):
        raise ValidationFailed(tuple(_violation(found.proto) for found in violations[:VIOLATION_LIMIT]))


def _violation(found: Any) -> FieldViolation:
    path = ".".join(_step(element) for element in found.field.elements) if found.field else ""
    return FieldViolation(field=path, description=found.message, reason=found.rule_id)


def _step(element: Any) -> str:
    if element.subscript is None:
        return str(element.field_name)
    key = element.subscript.value
    shown = repr(key[:_KEY_LIMIT]) if isinstance(key, str) else str(key)
    return f"{element.field_name}[{shown}]"
