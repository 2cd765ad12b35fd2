"""The parts of an HTTP request put together into the RPC's request message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gosynq_server.rest import event_ids
from gosynq_server.rest.bindings import KEY_FIELD
from gosynq_server.rest.json_in import read_message
from gosynq_server.rest.json_scalars import read_string
from gosynq_server.rest.json_text import parse_json
from gosynq_server.rest.original import name_kind
from gosynq_server.rest.query import query_tree
from gosynq_server.rest.refusals import FieldInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from gosynq_server.rest.bindings import Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What of an HTTP request becomes part of the message. Each of the two headers is "" without it."""

    variables: Mapping[str, str]
    query: str = ""
    body: bytes = b""
    idempotency_key: str = ""
    last_event_id: str = ""


def request_message(binding: Binding, http: HttpRequest) -> Message:
    """Return the request message; raise FieldInvalid, with paths as seen from the HTTP body, where it can't be made."""
    request = binding.request()
    _read_body(request, binding, http.body)
    read_message(request, query_tree(binding.query, http.query))
    for path, value in http.variables.items():
        _read_variable(request, path, value)
    if http.idempotency_key:
        _read_idempotency_key(request, binding, http.idempotency_key)
    if http.last_event_id and binding.takes_event_id:
        event_ids.resume(request, _read_named(event_ids.HEADER, http.last_event_id))
    name_kind(request)
    return request


def _read_body(request: Message, binding: Binding, body: bytes) -> None:
    if not body:
        return
    if not binding.body:
        raise FieldInvalid("", "is not taken by this call")
    read_message(_body_message(request, binding), parse_json(body))


def _read_variable(request: Message, path: str, value: str) -> None:
    *parents, name = path.split(".")
    holder = request
    for parent in parents:
        holder = getattr(holder, parent)
    if getattr(holder, name) not in ("", value):
        raise FieldInvalid(name, "differs from the path")
    setattr(holder, name, _read_named(name, value))


def _read_idempotency_key(request: Message, binding: Binding, key: str) -> None:
    if not binding.takes_key:
        _refuse_unless_repeatable(binding)
        return
    holder = _body_message(request, binding)
    if getattr(holder, KEY_FIELD) not in ("", key):
        raise FieldInvalid(KEY_FIELD, "differs from the header Idempotency-Key")
    setattr(holder, KEY_FIELD, _read_named("Idempotency-Key", key))


def _refuse_unless_repeatable(binding: Binding) -> None:
    """Refuse a key where nothing would come of it, unless the call may be repeated without one."""
    if not binding.rpc.GetOptions().idempotency_level:
        raise FieldInvalid("Idempotency-Key", "is not taken by this call; where it enqueues, each job has its own")


def _body_message(request: Message, binding: Binding) -> Message:
    return getattr(request, binding.body_field) if binding.body_field else request


def _read_named(name: str, value: str) -> str:
    try:
        return read_string(value)
    except FieldInvalid as invalid:
        raise invalid.under(name) from None
