"""A worker's side of a Work stream, as tests lead it message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from gosynq.v1 import worker_pb2
from gosynq.v1.worker_service_pb2 import JobResults, WorkerHello, WorkRequest
from tests.service.house import PATIENCE_SECONDS

if TYPE_CHECKING:
    from gosynq.v1.worker_service_pb2_grpc import WorkerServiceAsyncStub

Lease = worker_pb2.Lease


def a_hello(*, queues: Iterable[str] = ("q",), **said: Any) -> WorkerHello:
    subscriptions = [worker_pb2.QueueSubscription(queue=queue) for queue in queues]
    return WorkerHello(**{"worker_id": "w-1", "queues": subscriptions} | said)


def named(lease: Lease) -> worker_pb2.LeaseRef:
    return worker_pb2.LeaseRef(job_id=lease.job.id, lease_token=lease.lease_token)


def done(*leases: Lease) -> JobResults:
    return JobResults(
        results=[worker_pb2.JobResult(lease=named(lease), success=worker_pb2.JobSuccess()) for lease in leases]
    )


class Talk:
    """What is said on a stream, and what is heard."""

    def __init__(self, stub: WorkerServiceAsyncStub) -> None:
        self.call: Any = stub.Work()

    async def say(self, **message: Any) -> None:
        await self.call.write(WorkRequest(**message))

    async def hear(self, kind: str) -> Any:
        """Return what the next message says, which is to be of this kind."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            response = await self.call.read()
        assert response is not grpc.aio.EOF
        assert response.WhichOneof("message") == kind, response
        return getattr(response, kind)

    async def granted(self, count: int) -> list[Lease]:
        leases: list[Lease] = []
        while len(leases) < count:
            leases += (await self.hear("leases")).leases
        return leases

    async def leave(self) -> list[Any]:
        """Close this side; return what is heard until the stream has ended well."""
        await self.call.done_writing()
        heard: list[Any] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (response := await self.call.read()) is not grpc.aio.EOF:
                heard.append(response)
            assert await self.call.code() is grpc.StatusCode.OK
        return heard


async def opened(stub: WorkerServiceAsyncStub, **said: Any) -> tuple[Talk, Any]:
    """Open a stream; return it and what it was welcomed with."""
    talk = Talk(stub)
    await talk.say(hello=a_hello(**said))
    return talk, await talk.hear("welcome")


@asynccontextmanager
async def talking(stub: WorkerServiceAsyncStub, **said: Any) -> AsyncIterator[Talk]:
    """Keep a stream open for the block."""
    talk, _ = await opened(stub, **said)
    try:
        yield talk
    finally:
        talk.call.cancel()
