"""A server's life: bound, started, serving, and stopped in phases."""

from __future__ import annotations

import asyncio
import gc
import logging
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

from gosynq_server.app.attempts import load_all_handlers
from gosynq_server.app.listening import address_of, listen, listen_by
from gosynq_server.app.parts import (
    EVENT_RETENTION,
    compose_health,
    compose_maintenance,
    compose_operations,
    compose_pool,
    compose_rpc,
    new_server_id,
)
from gosynq_server.app.schema import ensure_schema
from gosynq_server.app.signals import set_by_signals
from gosynq_server.app.web import WebServer
from gosynq_server.domain.errors import GosynqError
from gosynq_server.embedded import given_or_embedded
from gosynq_server.maintenance.loop import repeat, run_through
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.readiness import Addresses, remove_ready_file, write_ready_file
from gosynq_server.rest.channel import open_channel
from gosynq_server.rest.gateway import build_app
from gosynq_server.rest.streams import Streams
from gosynq_server.store.database import Database
from gosynq_server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from gosynq_client.worker.handlers import Handlers
    from gosynq_server.config import Config
    from gosynq_server.pool.member import Pool

_log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS = 2.0
_PING_SECONDS = 3.0


async def serve(config: Config, *, on_ready: Callable[[Addresses], None] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or cancellation, then stop in phases; a second signal changes nothing.

    Without a database URL it brings its own PostgreSQL. on_ready hears of the bound addresses once they all serve.
    Raises GosynqError, EmbeddedError among them, and HandlersNotLoaded where it cannot start.
    """
    handlers = load_all_handlers(config.handlers)
    stopping = asyncio.Event()
    with set_by_signals(stopping):
        async with (
            given_or_embedded(config.database_url, config.data_dir) as dsn,
            Database(dsn, pool_size=config.pool_size) as database,
        ):
            await Server(config, database, handlers).run(stopping, on_ready=on_ready)


class Server:
    """The parts of one server, and the order in which they start and stop."""

    def __init__(self, config: Config, database: Database, handlers: Handlers | None) -> None:
        self._config = config
        self._server_id = new_server_id()
        self._database = database
        self._metrics = Metrics(version=version("gosynq"))
        self._operations = compose_operations(config, database, self._metrics, server_id=self._server_id)
        self._rpc = compose_rpc(config, self._operations, self._metrics, server_id=self._server_id)
        self._probes = compose_health(self._rpc)
        self._streams = Streams()
        self._pool = None if handlers is None else self._compose_pool(handlers)
        self._pool_run: asyncio.Task[None] | None = None
        self._background: list[asyncio.Task[None]] = []

    async def run(self, stopping: asyncio.Event, *, on_ready: Callable[[Addresses], None] | None) -> None:
        """Serve until stopping is set."""
        try:
            await self._bind_and_serve(stopping, on_ready)
        finally:
            # Where it could not start too: the library would look for the closed event loop otherwise.
            await self._rpc.stop(timedelta())
            await self._probes.stop()

    async def _bind_and_serve(self, stopping: asyncio.Event, on_ready: Callable[[Addresses], None] | None) -> None:
        config, host = self._config, self._config.host
        grpc_port = listen_by(self._rpc.bind, host, config.grpc_port, flag="--grpc-port")
        health_port = listen_by(self._probes.bind, host, config.health_port, flag="--health-port")
        metrics = WebServer(self._metrics.app(), listen(host, config.metrics_port, flag="--metrics-port"))
        async with open_channel(address_of(_reachable(host), grpc_port)) as channel:
            app = build_app(channel, streams=self._streams)
            rest = WebServer(app, listen(host, config.http_port, flag="--http-port"))
            addresses = Addresses(
                grpc=address_of(host, grpc_port),
                http=address_of(host, rest.port),
                metrics=address_of(host, metrics.port),
                health=address_of(host, health_port),
            )
            async with asyncio.TaskGroup() as group:
                await self._start(group, (rest, metrics))
                serving = group.create_task(self._go_ready(group, addresses, on_ready))
                await stopping.wait()
                serving.cancel()
                await self._stop(rest, metrics)

    def _compose_pool(self, handlers: Handlers) -> Pool:
        return compose_pool(self._config, handlers, self._operations, self._metrics, worker_id=self._server_id)

    async def _start(self, group: asyncio.TaskGroup, webs: tuple[WebServer, ...]) -> None:
        """Take calls, which are answered UNAVAILABLE as long as the database is away or not made ready."""
        self._database.hold()
        await self._rpc.start()
        await self._probes.start()
        for web in webs:
            group.create_task(web.run())
        self._run(group, self._operations.enqueuer.run())

    async def _go_ready(
        self, group: asyncio.TaskGroup, addresses: Addresses, on_ready: Callable[[Addresses], None] | None
    ) -> None:
        """Wait for the right schema, then do everything that a server does."""
        embedded = self._config.database_url is None
        await ensure_schema(self._database.dsn, migrate=embedded or self._config.auto_migrate)
        # No call may read while rows move from a default partition to a new one: it could miss them.
        async with Database(self._database.dsn, pool_size=1) as apart:
            await run_through(Pruner(apart, event_retention=EVENT_RETENTION))
        self._database.admit()
        for work, early in compose_maintenance(self._config, self._operations, self._metrics):
            self._run(group, repeat(work, signal=early))
        operations = self._operations
        for part in (
            operations.tail.run(),
            operations.progress.run(),
            operations.replicas.send(),
            operations.replicas.listen(),
        ):
            self._run(group, part)
        if self._pool is not None:
            self._pool_run = group.create_task(self._pool.run(operations.registrar))
        _spare_garbage_collection()
        await self._rpc.health.set_ready(True)
        self._run(group, self._watch_database())
        self._tell_ready(addresses, on_ready)

    def _tell_ready(self, addresses: Addresses, on_ready: Callable[[Addresses], None] | None) -> None:
        if self._config.ready_file is not None:
            write_ready_file(self._config.ready_file, addresses, version=version("gosynq"))
        _log.info(
            "gosynq serves",
            extra={
                "grpc": addresses.grpc,
                "http": addresses.http,
                "metrics": addresses.metrics,
                "health": addresses.health,
                "server_id": self._server_id,
            },
        )
        if on_ready is not None:
            on_ready(addresses)

    async def _watch_database(self) -> None:
        """Show in health whether the database can be reached."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            try:
                async with asyncio.timeout(_PING_SECONDS):
                    await self._database.ping()
            except (GosynqError, TimeoutError) as error:
                _log.warning("the database can't be reached", extra={"error": str(error)})
                await self._rpc.health.set_ready(False)
            else:
                await self._rpc.health.set_ready(True)

    async def _stop(self, rest: WebServer, metrics: WebServer) -> None:
        """Take no more, give what runs its grace, settle, close."""
        _log.info("gosynq stops", extra={"server_id": self._server_id})
        if self._config.ready_file is not None:
            remove_ready_file(self._config.ready_file)
        await self._rpc.health.drain()
        await asyncio.sleep(self._config.drain_delay.total_seconds())
        self._operations.waits.close()
        self._streams.close()
        async with asyncio.TaskGroup() as ending:
            if self._pool is not None:
                self._pool.stop()
            rest.stop()
            ending.create_task(self._rpc.stop(self._config.grace))
            if self._pool_run is not None:
                await asyncio.wait([self._pool_run])
        for task in self._background:
            task.cancel()
        metrics.stop()
        await self._probes.stop()

    def _run(self, group: asyncio.TaskGroup, part: Coroutine[None, None, None]) -> None:
        self._background.append(group.create_task(part))


def _spare_garbage_collection() -> None:
    """Collect now, then look no more at what lives as long as the server, and at the rest less often.

    Calls and attempts make many values that live shortly, hardly any of them in cycles; looking for some by the usual
    thresholds cost 8 % of the processor time of an EnqueueJob.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _reachable(host: str) -> str:
    """Return a host by which a server bound on a host is reached from this machine."""
    wildcards = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound, not a binding
    return wildcards.get(host, host)
