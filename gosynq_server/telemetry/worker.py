"""The metrics of a worker in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, Info

from gosynq_server.telemetry.attempts import AttemptCollector
from gosynq_server.telemetry.exposition import metrics_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from gosynq_client.worker.observing import AttemptEnded


class WorkerMetrics:
    """All metrics of one worker, in a registry of their own. To be told and asked from one event loop."""

    def __init__(self, *, version: str, active: Callable[[], int], connected: Callable[[], bool]) -> None:
        """Count attempts; active says how many run, connected whether there is a server that answers."""
        self._registry = CollectorRegistry()
        self._attempts = AttemptCollector()
        self._registry.register(self._attempts)
        Info("gosynq_worker", "What the worker is.", registry=self._registry).info({"version": version})
        running = Gauge("gosynq_active_workers", "Attempts that are running here.", registry=self._registry)
        running.set_function(active)
        session = Gauge("gosynq_worker_connected", "Whether a server answers, 1 or 0.", registry=self._registry)
        session.set_function(connected)

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Count an attempt."""
        self._attempts.ended(ended)

    def app(self) -> ASGIApp:
        """Return the ASGI app that answers GET /metrics, and nothing else."""
        return metrics_app(self._registry)
