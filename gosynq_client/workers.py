"""The calls that look after workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gosynq.v1 import admin_service_pb2, admin_service_pb2_grpc
from gosynq_client.enums import WORKER_STATES
from gosynq_client.replies import moment_if_set
from gosynq_client.worker_info import WorkerInfo, WorkerProgram, WorkerQueue, WorkerState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import grpc

    from gosynq.v1 import worker_pb2
    from gosynq_client.caller import Caller


class Workers:
    """A server's workers, as `Client.workers`."""

    def __init__(self, caller: Caller, channel: grpc.aio.Channel) -> None:
        self._caller = caller
        self._admin: admin_service_pb2_grpc.AdminServiceAsyncStub = admin_service_pb2_grpc.AdminServiceStub(channel)

    async def list(self, *, queue: str = "", page_size: int = 0) -> AsyncGenerator[WorkerInfo, None]:
        """Give the workers seen lately, or those that take from one queue, page after page as they are taken."""
        request = admin_service_pb2.ListWorkersRequest(queue=queue, page_size=page_size)
        async for page in self._caller.pages(self._admin.ListWorkers, request):
            for worker in page.workers:
                yield read_worker(worker)

    async def drain(self, worker_id: str, *, reason: str = "") -> WorkerInfo:
        """Ask a worker to take no more jobs, finish what it has and leave. Raises WorkerNotFound."""
        request = admin_service_pb2.DrainWorkerRequest(worker_id=worker_id, reason=reason)
        return read_worker((await self._caller.call(self._admin.DrainWorker, request)).worker)


def read_worker(message: worker_pb2.WorkerInfo) -> WorkerInfo:
    """Read what the server knows of a worker."""
    runtime = message.runtime
    return WorkerInfo(
        worker_id=message.worker_id,
        state=WORKER_STATES.get(message.state, WorkerState.UNKNOWN),
        queues=tuple(_read_queue(queue) for queue in message.queues),
        kinds=tuple(message.kinds),
        runtime=WorkerProgram(sdk=runtime.sdk, language=runtime.language, build=runtime.build, host=runtime.host),
        in_flight=message.in_flight,
        max_in_flight=message.max_in_flight,
        connected_at=moment_if_set(message, "connected_at"),
        last_seen_at=moment_if_set(message, "last_seen_at"),
        server_id=message.server_id,
    )


def _read_queue(message: worker_pb2.QueueSubscription) -> WorkerQueue:
    limit = message.max_in_flight if message.HasField("max_in_flight") else None
    return WorkerQueue(queue=message.queue, weight=message.weight or 1, max_in_flight=limit)
