"""What no setting shows by itself: settings that contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq_server.config.durations import format_duration
from gosynq_server.config.errors import Problem
from gosynq_server.config.server import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gosynq_server.config.client import ClientConfig

_PORTS = ("grpc_port", "http_port", "metrics_port", "health_port")


def contradictions(config: Config | ClientConfig) -> list[Problem]:
    """Return what does not go together; empty where all is well."""
    if isinstance(config, Config):
        return [*_shared_ports(config), *_backoff_bounds(config)]
    return [*_half_certificate(config)]


def _shared_ports(config: Config) -> Iterator[Problem]:
    first: dict[int, str] = {}
    for name in _PORTS:
        port = getattr(config, name)
        if port and port in first:
            yield Problem(name=f"{first[port]} and {name}", description=f"both are {port}; change one")
        first.setdefault(port, name)


def _half_certificate(config: ClientConfig) -> Iterator[Problem]:
    if (config.tls_cert is None) != (config.tls_key is None):
        yield Problem(name="tls_cert and tls_key", description="they go together; give both or neither")


def _backoff_bounds(config: Config) -> Iterator[Problem]:
    if config.backoff_max < config.backoff_initial:
        longest, initial = format_duration(config.backoff_max), format_duration(config.backoff_initial)
        yield Problem(name="backoff_max", description=f"{longest} is shorter than backoff_initial, {initial}")
