"""The server's metrics: told of what happened, asked by Prometheus; none of them reads a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Info

from gosynq_server.telemetry.attempts import AttemptCollector
from gosynq_server.telemetry.events import EventCollector
from gosynq_server.telemetry.exposition import metrics_app
from gosynq_server.telemetry.queues import QueueCollector
from gosynq_server.telemetry.requests import RequestCollector

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from gosynq_client.worker.observing import AttemptEnded


class Metrics:
    """All metrics of one server, in a registry of their own. To be told and asked from one event loop."""

    def __init__(self, *, version: str) -> None:
        self._registry = CollectorRegistry()
        self._attempts = AttemptCollector()
        self._requests = RequestCollector()
        self.queues = QueueCollector()
        self.events = EventCollector()
        for collector in (self._attempts, self._requests, self.queues, self.events):
            self._registry.register(collector)
        Info("gosynq_server", "What the server is.", registry=self._registry).info({"version": version})
        self._active = Gauge("gosynq_active_workers", "Attempts that are running here.", registry=self._registry)
        meaning = "Workers whose stream is open here."
        self._sessions = Gauge("gosynq_worker_sessions", meaning, registry=self._registry)

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Count an attempt."""
        self._attempts.ended(ended)

    def rpc_ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call: "gosynq.v1.JobService/GetJob", "OK", its duration."""
        self._requests.ended(method, code, seconds)

    def count_active_workers_by(self, count: Callable[[], int]) -> None:
        """Have the running attempts counted by a function whenever Prometheus asks."""
        self._active.set_function(count)

    def count_worker_sessions_by(self, count: Callable[[], int]) -> None:
        """Have the workers that are connected counted by a function whenever Prometheus asks."""
        self._sessions.set_function(count)

    def app(self) -> ASGIApp:
        """Return the ASGI app that answers GET /metrics, and nothing else."""
        return metrics_app(self._registry)
