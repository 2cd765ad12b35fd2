"""The routes: which HTTP method and path is which RPC, read from the contract's google.api.http options."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from google.api import annotations_pb2
from google.protobuf import message_factory

from gosynq.v1 import (
    admin_service_pb2,
    event_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    schedule_service_pb2,
    worker_service_pb2,
)
from gosynq_server.rest import event_ids
from gosynq_server.rest.descriptors import message_type
from gosynq_server.rest.original import QUERY_ALIASES
from gosynq_server.rest.refusals import MethodNotAllowed, PathUnknown

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from google.api.http_pb2 import HttpRule
    from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

SERVICES: Final[tuple[ServiceDescriptor, ...]] = tuple(
    service
    for module in (
        job_service_pb2,
        event_service_pb2,
        queue_service_pb2,
        schedule_service_pb2,
        worker_service_pb2,
        admin_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)

KEY_FIELD: Final = "idempotency_key"

_VARIABLE: Final = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)*)\}")
_LITERAL: Final = re.compile(r"[A-Za-z0-9_/:-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One route of one RPC.

    `body` is the request field that the HTTP body stands for, "*" for the whole request and "" for none;
    `response_body` is the response field that is the answer, "" for the whole response. `number` tells the bindings
    of one RPC apart, from 1. `variables` are request field paths, such as `queue.name`. `query` has the query
    parameters under each of their names: every request field that neither the path nor the body brings.
    """

    rpc: MethodDescriptor
    request: type[Message]
    response: type[Message]
    http_method: str
    template: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    query: Mapping[str, FieldDescriptor]
    body: str
    response_body: str
    number: int

    @property
    def full_method(self) -> str:
        """The RPC's name on the wire."""
        return f"/{self.rpc.containing_service.full_name}/{self.rpc.name}"

    @property
    def body_field(self) -> str:
        """The request field that the HTTP body stands for, "" where it is the whole request or there is none."""
        return self.body.removeprefix("*")

    @property
    def takes_key(self) -> bool:
        """Whether the header Idempotency-Key has a field to fill."""
        return KEY_FIELD in message_type(self.rpc.input_type, self.body_field).fields_by_name

    @property
    def takes_event_id(self) -> bool:
        """Whether it is a stream that goes on from the header Last-Event-ID."""
        return self.rpc.server_streaming and event_ids.CURSOR in self.rpc.input_type.fields_by_name

    def shown(self, response: Message) -> Message:
        """Return what the caller is given of a response."""
        return getattr(response, self.response_body) if self.response_body else response


class RouteTable:
    """Finds the binding of a request. Paths must match as they are: a verb after the colon is part of them."""

    def __init__(self, bindings: Sequence[Binding]) -> None:
        self.bindings = tuple(bindings)
        self._by_shape: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        for binding in bindings:
            self._by_shape[_shape(binding.template)].append(binding)

    def find(self, http_method: str, path: str) -> tuple[Binding, Mapping[str, str]]:
        """Return the binding and the values of its path variables; raise PathUnknown or MethodNotAllowed."""
        allowed = set()
        for binding in self._by_shape.get(_shape(path), ()):
            if found := binding.pattern.fullmatch(path):
                if binding.http_method == http_method:
                    return binding, dict(zip(binding.variables, found.groups(), strict=True))
                allowed.add(binding.http_method)
        if allowed:
            raise MethodNotAllowed(http_method, allowed)
        raise PathUnknown(path)


def contract_bindings() -> tuple[Binding, ...]:
    """Return the bindings of every RPC that has an HTTP rule: all but the two whose caller streams."""
    return tuple(binding for service in SERVICES for rpc in service.methods for binding in _rpc_bindings(rpc))


def compile_template(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return a path template as a pattern, and its variables; one variable fills one path segment up to the verb."""
    parts = _VARIABLE.split(template)
    if not all(_LITERAL.fullmatch(literal) for literal in parts[::2]):
        raise ValueError(f"only plain variables are served, not {template}")
    return re.compile("([^/:]+)".join(parts[::2])), tuple(parts[1::2])


def _rpc_bindings(rpc: MethodDescriptor) -> Iterator[Binding]:
    if rpc.client_streaming:
        return
    rule = rpc.GetOptions().Extensions[annotations_pb2.http]
    for number, one in enumerate((rule, *rule.additional_bindings), start=1):
        yield _binding(rpc, one, number)


def _binding(rpc: MethodDescriptor, rule: HttpRule, number: int) -> Binding:
    http_method = rule.WhichOneof("pattern")
    template = getattr(rule, http_method)
    pattern, variables = compile_template(template)
    return Binding(
        rpc=rpc,
        request=message_factory.GetMessageClass(rpc.input_type),
        response=message_factory.GetMessageClass(rpc.output_type),
        http_method=http_method.upper(),
        template=template,
        pattern=pattern,
        variables=variables,
        query={} if rule.body == "*" else _query_fields(rpc, {*variables, rule.body}),
        body=rule.body,
        response_body=rule.response_body,
        number=number,
    )


def _query_fields(rpc: MethodDescriptor, elsewhere: Container[str]) -> Mapping[str, FieldDescriptor]:
    fields = {}
    for field in rpc.input_type.fields:
        if field.name not in elsewhere:
            fields[field.name] = fields[field.json_name] = field
    aliases = QUERY_ALIASES.get(rpc.name, {})
    return fields | {alias: fields[name] for alias, name in aliases.items()}


def _shape(path: str) -> tuple[int, str]:
    return path.count("/"), path.partition(":")[2]
