"""Ports for a server that shall start wherever it is tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gosynq_server.config import Config
from gosynq_server.doctor.surroundings import binding_problem

_PORTS = ("grpc_port", "http_port", "metrics_port", "health_port")
_DEFAULTS = Config()


def with_free_ports(config: Config) -> Config:
    """Have any free port picked instead of a usual one that is taken; one that was asked for stays."""
    taken = [name for name in _PORTS if _is_usual(config, name) and binding_problem(config.host, getattr(config, name))]
    picked: dict[str, Any] = dict.fromkeys(taken, 0)
    return replace(config, **picked)


def _is_usual(config: Config, name: str) -> bool:
    return bool(getattr(config, name) == getattr(_DEFAULTS, name))
