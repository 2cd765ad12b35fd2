"""The gRPC server: its services, its settings, its start and its stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from gosynq.v1 import (
    admin_service_pb2_grpc,
    event_service_pb2_grpc,
    job_service_pb2_grpc,
    queue_service_pb2_grpc,
    schedule_service_pb2_grpc,
    worker_service_pb2_grpc,
)
from gosynq_server.rpc.admin import AdminServicer, ServerInfo
from gosynq_server.rpc.events import EventServicer
from gosynq_server.rpc.handler_table import HandlerTable
from gosynq_server.rpc.health import HealthBoard
from gosynq_server.rpc.interceptors import CallInterceptor
from gosynq_server.rpc.jobs import JobServicer
from gosynq_server.rpc.queues import QueueServicer
from gosynq_server.rpc.reflection import add_reflection
from gosynq_server.rpc.schedules import ScheduleServicer
from gosynq_server.rpc.watch_stream import Unobserved
from gosynq_server.rpc.workers import WorkerServicer

if TYPE_CHECKING:
    from gosynq_server.rpc.interceptors import Observe
    from gosynq_server.rpc.watch_stream import WatchObserver
    from gosynq_server.service.bulk_jobs import BulkJobs
    from gosynq_server.service.dead_letters import DeadLetters
    from gosynq_server.service.enqueue import Enqueuer
    from gosynq_server.service.event_pages import EventPages
    from gosynq_server.service.jobs import Jobs
    from gosynq_server.service.queue_removal import QueueRemoval
    from gosynq_server.service.queue_verbs import QueueVerbs
    from gosynq_server.service.roster import Roster
    from gosynq_server.service.schedules import Schedules
    from gosynq_server.service.watches import Watches
    from gosynq_server.service.workers import Workers

SERVICES = tuple(f"gosynq.v1.{noun}Service" for noun in ("Job", "Event", "Queue", "Worker", "Schedule", "Admin"))
_HEALTH = "grpc.health.v1.Health"
_MEBIBYTE = 1024 * 1024
_BEGINNING_SECONDS = 0.1
"""How long until every call that came before the stop has begun, at the most."""

_TAKING_SECONDS = 0.5
"""How long a caller may take over the end of its call once the server stops."""


class PortTaken(Exception):
    """Can't listen on {address}: it is taken, or it is no address of this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__((type(self).__doc__ or "").format(address=address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the servicers call."""

    enqueuer: Enqueuer
    jobs: Jobs
    bulk_jobs: BulkJobs
    dead_letters: DeadLetters
    watches: Watches
    event_pages: EventPages
    workers: Workers
    roster: Roster
    schedules: Schedules
    queues: QueueVerbs
    queue_removal: QueueRemoval
    info: ServerInfo


def _observe_nothing(method: str, code: str, seconds: float) -> None:
    """Stand in where nobody counts calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcOptions:
    """How a server behaves on the wire.

    A stream ends by our own protocol at stream_age, 10 % more or less; it must lie below connection_age_grace, after
    which the library cuts what is open.
    """

    max_receive_bytes: int = 4 * _MEBIBYTE
    max_send_bytes: int = 16 * _MEBIBYTE
    max_metadata_bytes: int = 16 * 1024
    max_streams_per_connection: int = 1000
    keepalive_time: timedelta = timedelta(seconds=60)
    keepalive_timeout: timedelta = timedelta(seconds=20)
    min_ping_interval: timedelta = timedelta(seconds=20)
    connection_age: timedelta = timedelta(minutes=30)
    connection_age_grace: timedelta = timedelta(minutes=10)
    stream_age: timedelta = timedelta(minutes=8)
    reflection: bool = True
    observe: Observe = _observe_nothing
    watch_observer: WatchObserver = field(default_factory=Unobserved)


class RpcServer:
    """A server of all services, its health board included."""

    def __init__(
        self,
        server: grpc.aio.Server,
        table: HandlerTable,
        health: HealthBoard,
        interceptor: CallInterceptor,
        draining: asyncio.Event,
    ) -> None:
        self.health = health
        self._server = server
        self._table = table
        self._interceptor = interceptor
        self._draining = draining

    def bind(self, address: str) -> int:
        """Listen on "host:port", port 0 being any free one, and return the port. Raises PortTaken."""
        return bind(self._server, address)

    async def start(self) -> None:
        """Take calls; health shows NOT_SERVING until it is told otherwise."""
        await self._table.put_around_all(self._interceptor)
        await self.health.open()
        await self._server.start()

    async def stop(self, grace: timedelta) -> None:
        """Take no more calls, end the streams, give running calls that long, then cancel them. Twice is harmless."""
        await self.health.drain()
        self._draining.set()
        self.health.close()
        async with asyncio.TaskGroup() as group:
            cutting = group.create_task(self._cut_what_is_not_taken())
            await self._server.stop(grace.total_seconds())
            cutting.cancel()

    async def _cut_what_is_not_taken(self) -> None:
        """Cut what is left once every call has its end: callers who take nothing, and so never learn of theirs."""
        await asyncio.sleep(_BEGINNING_SECONDS)
        await self._interceptor.unanswered.are_none()
        await asyncio.sleep(_TAKING_SECONDS)
        await self._server.stop(None)


class HealthServer:
    """A server of nothing but the health board, for probes that can't speak TLS."""

    def __init__(self, health: HealthBoard) -> None:
        self._server = grpc.aio.server(options=_SHARED_OPTIONS)
        self._table = HandlerTable()
        health.add_to(self._table.as_server())
        self._server.add_generic_rpc_handlers((self._table,))
        self._health = health

    def bind(self, address: str) -> int:
        """Listen on "host:port", port 0 being any free one, and return the port. Raises PortTaken."""
        return bind(self._server, address)

    async def start(self) -> None:
        """Take calls."""
        await self._table.put_around_all(CallInterceptor(_observe_nothing))
        await self._health.open()
        await self._server.start()

    async def stop(self) -> None:
        """End at once; the last thing that a process stops. Twice is harmless."""
        await self._server.stop(None)


def build_server(services: Services, options: RpcOptions) -> RpcServer:
    """Return a server of the whole contract, not bound and not started. Needs a running loop."""
    server = grpc.aio.server(options=channel_options(options))
    draining = asyncio.Event()
    health = HealthBoard(SERVICES)
    table = HandlerTable()
    add_servicers(table.as_server(), services, options, draining)
    health.add_to(table.as_server())
    if options.reflection:
        add_reflection((*SERVICES, _HEALTH), table, draining=draining, stream_age=options.stream_age)
    server.add_generic_rpc_handlers((table,))
    return RpcServer(server, table, health, CallInterceptor(options.observe), draining)


def add_servicers(server: grpc.aio.Server, services: Services, options: RpcOptions, draining: asyncio.Event) -> None:
    """Serve every service of the contract; what is not built yet answers UNIMPLEMENTED by its generated base."""
    jobs = JobServicer(
        services.enqueuer, services.jobs, services.bulk_jobs, draining=draining, stream_age=options.stream_age
    )
    admin = AdminServicer(
        services.info, services.roster, services.dead_letters, max_message_bytes=options.max_receive_bytes
    )
    events = EventServicer(
        services.watches,
        services.event_pages,
        draining=draining,
        stream_age=options.stream_age,
        observer=options.watch_observer,
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(events, server)
    workers = WorkerServicer(
        services.workers, server_id=services.info.server_id, draining=draining, stream_age=options.stream_age
    )
    worker_service_pb2_grpc.add_WorkerServiceServicer_to_server(workers, server)
    queues = QueueServicer(services.queues, services.queue_removal)
    queue_service_pb2_grpc.add_QueueServiceServicer_to_server(queues, server)
    job_service_pb2_grpc.add_JobServiceServicer_to_server(jobs, server)
    admin_service_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    schedule_service_pb2_grpc.add_ScheduleServiceServicer_to_server(ScheduleServicer(services.schedules), server)


_SHARED_OPTIONS = (("grpc.so_reuseport", 0),)
"""Two servers on one port would share its calls in silence."""


def channel_options(options: RpcOptions) -> list[tuple[str, int]]:
    """Return the library's own settings; maximum_concurrent_rpcs is none of them: it would refuse health probes."""
    return [
        *_SHARED_OPTIONS,
        ("grpc.max_receive_message_length", options.max_receive_bytes),
        ("grpc.max_send_message_length", options.max_send_bytes),
        ("grpc.max_concurrent_streams", options.max_streams_per_connection),
        ("grpc.max_metadata_size", options.max_metadata_bytes),
        ("grpc.keepalive_time_ms", _milliseconds(options.keepalive_time)),
        ("grpc.keepalive_timeout_ms", _milliseconds(options.keepalive_timeout)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _milliseconds(options.min_ping_interval)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_age_ms", _milliseconds(options.connection_age)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(options.connection_age_grace)),
    ]


def bind(server: grpc.aio.Server, address: str) -> int:
    """Listen on "host:port" and return the port. Raises PortTaken."""
    try:
        return server.add_insecure_port(address)
    except RuntimeError:
        raise PortTaken(address) from None


def _milliseconds(length: timedelta) -> int:
    return round(length.total_seconds() * 1000)
