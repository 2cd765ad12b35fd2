"""A worker's life in a process of its own: bound, connected, working, and stopped in phases."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING

from gosynq_client.remote import QueueSubscription, RemoteOptions, RemoteWorker
from gosynq_client.worker.handlers import Handlers
from gosynq_client.worker.options import RuntimeOptions
from gosynq_server.app.attempts import load_all_handlers, observer
from gosynq_server.app.listening import address_of, listen, listen_by
from gosynq_server.app.signals import set_by_signals
from gosynq_server.app.web import WebServer
from gosynq_server.readiness import WorkerAddresses, remove_ready_file, write_ready_file
from gosynq_server.rpc.health import HealthBoard
from gosynq_server.rpc.server import HealthServer
from gosynq_server.telemetry.worker import WorkerMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from gosynq_client.options import ClientOptions
    from gosynq_server.config import WorkerConfig

_log = logging.getLogger(__name__)


async def work(
    config: WorkerConfig, client: ClientOptions, *, on_ready: Callable[[WorkerAddresses], None] | None = None
) -> None:
    """Work until SIGTERM, SIGINT or cancellation, or until a server asks it to stop; then stop in phases.

    client says how the server is reached. on_ready hears of the bound addresses once a server has answered. Raises
    HandlersNotLoaded, GosynqError where it cannot start, and the client's GosynqError where a server refuses it.
    """
    handlers = load_all_handlers(config.handlers) or Handlers()
    stopping = asyncio.Event()
    with set_by_signals(stopping):
        await WorkerProcess(config, client, handlers, on_ready=on_ready).run(stopping)


class WorkerProcess:
    """The parts of one worker, and the order in which they start and stop."""

    def __init__(
        self,
        config: WorkerConfig,
        client: ClientOptions,
        handlers: Handlers,
        *,
        on_ready: Callable[[WorkerAddresses], None] | None,
    ) -> None:
        self._config = config
        self._on_ready = on_ready
        self._changed = asyncio.Event()
        self._board = HealthBoard(())
        self._probes = HealthServer(self._board)
        self._worker = RemoteWorker(
            config.target,
            handlers,
            [QueueSubscription(queue=share.queue, weight=share.weight) for share in config.queues],
            _options(config, client),
            observe=observer(lambda ended: self._metrics.attempt_ended(ended)),  # noqa: PLW0108 - bound below
            on_connection=self._changed.set,
        )
        self._metrics = WorkerMetrics(
            version=version("gosynq"),
            active=lambda: self._worker.active,
            connected=lambda: self._worker.is_connected,
        )

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until stopping is set, or a server wants it."""
        try:
            await self._bind_and_work(stopping)
        finally:
            self._tell_no_more()
            # Where it could not start too: the library would look for the closed event loop otherwise.
            await self._probes.stop()

    async def _bind_and_work(self, stopping: asyncio.Event) -> None:
        config, host = self._config, self._config.host
        health_port = listen_by(self._probes.bind, host, config.health_port, flag="--health-port")
        metrics = WebServer(self._metrics.app(), listen(host, config.metrics_port, flag="--metrics-port"))
        addresses = WorkerAddresses(
            worker_id=self._worker.worker_id,
            metrics=address_of(host, metrics.port),
            health=address_of(host, health_port),
        )
        try:
            await self._probes.start()
            await self._work(stopping, metrics, addresses)
        finally:
            metrics.close()

    async def _work(self, stopping: asyncio.Event, metrics: WebServer, addresses: WorkerAddresses) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(metrics.run())
            helpers = [
                group.create_task(self._show_connection(addresses)),
                group.create_task(self._stop_when(stopping)),
            ]
            try:
                await self._worker.run()
            finally:
                metrics.stop()
            for helper in helpers:
                helper.cancel()

    async def _show_connection(self, addresses: WorkerAddresses) -> None:
        """Show in health whether a server answers; the first time that one does, tell of it."""
        told = False
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._board.set_ready(self._worker.is_connected)
            if self._worker.is_connected and not told:
                told = True
                self._tell_ready(addresses)

    def _tell_ready(self, addresses: WorkerAddresses) -> None:
        if self._config.ready_file is not None:
            write_ready_file(self._config.ready_file, addresses, version=version("gosynq"))
        facts = {
            "target": self._config.target,
            "worker_id": addresses.worker_id,
            "metrics": addresses.metrics,
            "health": addresses.health,
        }
        _log.info("gosynq works", extra=facts)
        if self._on_ready is not None:
            self._on_ready(addresses)

    def _tell_no_more(self) -> None:
        if self._config.ready_file is not None:
            remove_ready_file(self._config.ready_file)

    async def _stop_when(self, stopping: asyncio.Event) -> None:
        """Take no more, give what runs its grace, settle."""
        await stopping.wait()
        _log.info("gosynq stops", extra={"worker_id": self._worker.worker_id})
        self._tell_no_more()
        await self._board.drain()
        self._worker.stop()


def _options(config: WorkerConfig, client: ClientOptions) -> RemoteOptions:
    return RemoteOptions(
        runtime=RuntimeOptions(concurrency=config.concurrency, prefetch_limit=config.prefetch, grace=config.grace),
        client=client,
        worker_id=config.worker_id or "",
        build=config.build,
    )
