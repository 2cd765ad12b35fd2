"""A server that answers what a test scripted, and keeps what it was asked; it runs in threads, beside the command."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gosynq.v1 import admin_service_pb2, job_service_pb2, queue_service_pb2, schedule_service_pb2

Answer: TypeAlias = Message | grpc.StatusCode | Callable[[], Message]

_FILES = (admin_service_pb2, job_service_pb2, queue_service_pb2, schedule_service_pb2)


@dataclass(slots=True)
class Script:
    """What to answer to each method, in turn, and what was asked."""

    target: str = ""
    answers: defaultdict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    requests: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def answer(self, method: str, *answers: Answer) -> None:
        """Answer so; a code is a refusal, a function is called for the answer."""
        self.answers[method].extend(answers)

    def handle(self, method: str, request: Message, context: grpc.ServicerContext) -> Message:
        self.requests[method].append(request)
        answer = self.answers[method].popleft()
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "as scripted")
        return answer if isinstance(answer, Message) else answer()


@contextmanager
def scripted_server() -> Iterator[Script]:
    """Serve a script, which the test fills."""
    script = Script()
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    for file in _FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            server.add_generic_rpc_handlers([_handler(script, service)])
    script.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield script
    server.stop(None).wait()


def _handler(script: Script, service: ServiceDescriptor) -> grpc.GenericRpcHandler:
    methods = {
        method.name: _method(script, method)
        for method in service.methods
        if not (method.client_streaming or method.server_streaming)
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def _method(script: Script, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    def handle(request: Message, context: grpc.ServicerContext) -> Message:
        return script.handle(method.name, request, context)

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=GetMessageClass(method.output_type).SerializeToString,
    )
