"""What a filter can ask about: the fields, how each is compared, and how its values are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from gosynq_server.domain.errors import FilterInvalid, ValidationFailed
from gosynq_server.domain.filter_tokens import Token, TokenKind
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.job import JobStatus, Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Value: TypeAlias = str | int | Decimal
"""Text; a whole number; a moment in seconds since the Unix epoch, exact to the microsecond."""


class Comparator(StrEnum):
    """How a field and a value are compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


LABELS = "labels"
ERROR_TYPE = "error_type"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LABEL = re.compile(r"labels\.([a-z0-9](?:[a-z0-9_./-]{0,62}[a-z0-9])?)")
_STATUSES = tuple(status.value for status in JobStatus)
_PRIORITIES = {priority.name.lower(): priority for priority in Priority}


def read_path(token: Token) -> tuple[str, ...]:
    """Return where the field named by a word stands: its name, or labels and a key; raise FilterInvalid for neither."""
    if label := _LABEL.fullmatch(token.text):
        return LABELS, label[1]
    if token.text == LABELS or token.text not in _READERS:
        raise FilterInvalid(position=token.position, problem=f"no field has the name {token.text!r}")
    return (token.text,)


def read_comparator(path: tuple[str, ...], token: Token) -> Comparator:
    """Return the comparator that a word is; raise FilterInvalid for an order among values that have none."""
    comparator = Comparator(token.text)
    if path == ("status",) and comparator not in {Comparator.EQUAL, Comparator.NOT_EQUAL}:
        raise FilterInvalid(position=token.position, problem="statuses have no order: use = or !=")
    return comparator


def read_value(path: tuple[str, ...], token: Token) -> Value:
    """Return the value that a word is for a field; raise FilterInvalid for one of another type."""
    return _READERS[path[0]](token)


def _text(token: Token) -> str:
    return token.text


def _job_id(token: Token) -> str:
    """Read a job id, or the empty text that none has: `id != ""` says all."""
    if not token.text:
        return ""
    try:
        return parse_job_id(token.text)
    except ValidationFailed:
        raise FilterInvalid(position=token.position, problem=f"{token.text!r} is no job id") from None


def _status(token: Token) -> str:
    return _one_of(_STATUSES, token)


def _priority(token: Token) -> int:
    return _PRIORITIES[_one_of(_PRIORITIES, token)]


def _integer(token: Token) -> int:
    if token.kind is TokenKind.QUOTED or not _INTEGER.fullmatch(token.text):
        raise FilterInvalid(position=token.position, problem=f"{token.text!r} is no whole number")
    return int(token.text)


def _moment(token: Token) -> Decimal:
    """Read a moment in RFC 3339, zone included; digits beyond the microsecond are cut, as in what is stored."""
    try:
        moment = datetime.fromisoformat(token.text.upper()) if _MOMENT.fullmatch(token.text) else None
    except ValueError:
        moment = None
    if moment is None:
        problem = f"{token.text!r} is no moment such as 2026-01-31T12:00:00Z"
        raise FilterInvalid(position=token.position, problem=problem)
    return Decimal((moment - _EPOCH) // _MICROSECOND).scaleb(-6)


def _one_of(names: Iterable[str], token: Token) -> str:
    if token.text not in names:
        problem = f"{token.text!r} is none of {', '.join(names)}"
        raise FilterInvalid(position=token.position, problem=problem)
    return token.text


_READERS: Mapping[str, Callable[[Token], Value]] = {
    "id": _job_id,
    "queue": _text,
    "kind": _text,
    "status": _status,
    "priority": _priority,
    "attempt": _integer,
    "created_at": _moment,
    "run_at": _moment,
    "finished_at": _moment,
    "schedule_id": _text,
    "idempotency_key": _text,
    "concurrency_key": _text,
    "ordering_key": _text,
    "fairness_key": _text,
    ERROR_TYPE: _text,
    LABELS: _text,
}
