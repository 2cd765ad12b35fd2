"""What no setting shows by itself: settings that contradict each other, or lack each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gosynq_server.config.durations import format_duration
from gosynq_server.config.errors import Problem
from gosynq_server.config.server import Config
from gosynq_server.config.worker import WorkerConfig

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gosynq_server.config.client import ClientConfig

_PORTS = ("grpc_port", "http_port", "metrics_port", "health_port")
_WORKER_PORTS = ("metrics_port", "health_port")


def contradictions(config: Config | ClientConfig) -> list[Problem]:
    """Return what does not go together; empty where all is well."""
    match config:
        case Config():
            return [*_shared_ports(config, _PORTS), *_backoff_bounds(config)]
        case WorkerConfig():
            ports = _shared_ports(config, _WORKER_PORTS)
            return [*_nothing_to_do(config), *_queues_again(config), *ports, *_half_certificate(config)]
        case _:
            return [*_half_certificate(config)]


def _nothing_to_do(config: WorkerConfig) -> Iterator[Problem]:
    if not config.handlers:
        yield Problem(name="handlers", description="a worker needs some, by --handlers or GOSYNQ_HANDLERS")
    if not config.queues:
        yield Problem(
            name="queues", description="a worker needs at least one, by --queue NAME[:WEIGHT] or GOSYNQ_QUEUES"
        )


def _queues_again(config: WorkerConfig) -> Iterator[Problem]:
    counts = Counter(share.queue for share in config.queues)
    for queue in [queue for queue, count in counts.items() if count > 1]:
        yield Problem(name="queues", description=f"{queue} is named {counts[queue]} times; name each queue once")


def _shared_ports(config: Config | WorkerConfig, names: Sequence[str]) -> Iterator[Problem]:
    first: dict[int, str] = {}
    for name in names:
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
