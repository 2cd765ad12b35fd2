"""The retry rules that gRPC itself follows, generated from what the contract says of each method."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor_pb2 import MethodOptions

from gosynq.v1 import (
    admin_service_pb2,
    event_service_pb2,
    job_service_pb2,
    queue_service_pb2,
    schedule_service_pb2,
    worker_service_pb2,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import MethodDescriptor

_SERVICE_FILES = (
    admin_service_pb2.DESCRIPTOR,
    event_service_pb2.DESCRIPTOR,
    job_service_pb2.DESCRIPTOR,
    queue_service_pb2.DESCRIPTOR,
    schedule_service_pb2.DESCRIPTOR,
    worker_service_pb2.DESCRIPTOR,
)

# Repeatable because the client gives every job a key; a job without one goes over a channel that does not retry.
_KEYED: Final = frozenset({"gosynq.v1.JobService.EnqueueJob", "gosynq.v1.JobService.BatchEnqueueJobs"})

_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    # Only what says that trying again is right at once (AIP-194); what carries a RetryInfo is the caller's to time.
    # With CANCELLED gRPC's core ends what reached a server that stops and had not begun it.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}


def service_config(*, health_checked: bool) -> str:
    """Give the service config as JSON: balance over every address, and retry what may be repeated.

    It has no timeout: gRPC's core ends a call with one of those 1-2 s early (grpc/grpc#40633); each call has its own.
    """
    config: dict[str, object] = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
        "methodConfig": [{"name": list(_names()), "retryPolicy": _POLICY}],
    }
    if health_checked:
        config["healthCheckConfig"] = {"serviceName": "gosynq.v1.JobService"}
    return json.dumps(config)


def _names() -> Iterator[dict[str, str]]:
    for file in _SERVICE_FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                if _is_repeatable(method):
                    yield {"service": service.full_name, "method": method.name}


def _is_repeatable(method: MethodDescriptor) -> bool:
    level = method.GetOptions().idempotency_level
    return level != MethodOptions.IDEMPOTENCY_UNKNOWN or method.full_name in _KEYED
