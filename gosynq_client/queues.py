"""The calls that look after queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from gosynq.v1 import queue_service_pb2, queue_service_pb2_grpc
from gosynq_client.bulk import BulkSummary
from gosynq_client.enums import STATUSES, number_of
from gosynq_client.queue_messages import queue_update, read_queue, read_totals

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    import grpc

    from gosynq_client.caller import Caller
    from gosynq_client.jobs import JobStatus
    from gosynq_client.listing import Names
    from gosynq_client.queue_info import JobTotals, Queue, QueueSettings


class Queues:
    """A server's queues, as `Client.queues`. Each call that names one raises QueueNotFound where there is none."""

    def __init__(self, caller: Caller, channel: grpc.aio.Channel, once_channel: grpc.aio.Channel) -> None:
        self._caller = caller
        self._queues: queue_service_pb2_grpc.QueueServiceAsyncStub = queue_service_pb2_grpc.QueueServiceStub(channel)
        self._once: queue_service_pb2_grpc.QueueServiceAsyncStub = queue_service_pb2_grpc.QueueServiceStub(once_channel)

    async def list(self, *, with_stats: bool = False, page_size: int = 0) -> AsyncGenerator[Queue, None]:
        """Give the queues by name, asking for page after page as they are taken."""
        request = queue_service_pb2.ListQueuesRequest(include_stats=with_stats, page_size=page_size)
        async for page in self._caller.pages(self._queues.ListQueues, request):
            for queue in page.queues:
                yield read_queue(queue)

    async def get(self, queue: str) -> Queue:
        """Give one queue, with its stats."""
        request = queue_service_pb2.GetQueueRequest(queue=queue)
        return read_queue((await self._caller.call(self._queues.GetQueue, request)).queue)

    async def update(
        self, queue: str, *, clear: Names = (), etag: str = "", create: bool = False, **settings: Unpack[QueueSettings]
    ) -> Queue:
        """Change what the settings say of a queue, and nothing else, and give it as it is then.

            await client.queues.update("mail", limits=QueueLimits(max_concurrency=5), clear=["limits.max_pending"])

        `clear` names fields, as the contract does, that go back to the server's own value or to none. With an `etag`
        the queue must be as it was when that was read; `create` makes the queue if there is none. Raises EtagMismatch,
        UpdateMaskInvalid or ValidationFailed.
        """
        request = queue_update(queue, settings, clear=clear, etag=etag, create=create)
        return read_queue((await self._caller.call(self._queues.UpdateQueue, request)).queue)

    async def delete(self, queue: str, *, force: bool = False, allow_missing: bool = False, etag: str = "") -> None:
        """Delete a queue; `force` deletes its jobs with it, and voids the leases of those that run.

        Where that takes longer than a call may, it raises DeadlineExceeded, the queue is DELETING and the deletion goes
        on: a repeat waits for the rest. Raises QueueNotEmpty without `force`, EtagMismatch, and QueueNotFound without
        `allow_missing`.
        """
        request = queue_service_pb2.DeleteQueueRequest(queue=queue, force=force, allow_missing=allow_missing, etag=etag)
        await self._caller.call(self._queues.DeleteQueue, request)

    async def pause(self, queue: str, *, reason: str = "") -> Queue:
        """Have a queue hand out no more jobs; those that run go on. Once this returns none is handed out any more."""
        request = queue_service_pb2.PauseQueueRequest(queue=queue, reason=reason)
        return read_queue((await self._caller.call(self._queues.PauseQueue, request)).queue)

    async def resume(self, queue: str) -> Queue:
        """Make a paused or draining queue active."""
        request = queue_service_pb2.ResumeQueueRequest(queue=queue)
        return read_queue((await self._caller.call(self._queues.ResumeQueue, request)).queue)

    async def drain(self, queue: str, *, reason: str = "") -> Queue:
        """Have a queue refuse new jobs and work off what it has."""
        request = queue_service_pb2.DrainQueueRequest(queue=queue, reason=reason)
        return read_queue((await self._caller.call(self._queues.DrainQueue, request)).queue)

    async def purge(
        self, queue: str, *, statuses: Iterable[JobStatus] = (), limit: int = 0, validate_only: bool = False
    ) -> AsyncGenerator[BulkSummary, None]:
        """Delete a queue's jobs by status, the pending ones unless said; never those that run.

        Calls again and again, for `limit` jobs each (1000 unless said), and gives after each call what all of them
        deleted; to stop, close the iterator. `validate_only` has one call say what it would delete, `limit` at most. A
        call is not retried, so that the sum is right. Raises ValueError for a status that is none.
        """
        request = queue_service_pb2.PurgeQueueRequest(
            queue=queue,
            statuses=[number_of(STATUSES, status) for status in statuses],
            limit=limit,
            validate_only=validate_only,
        )
        total = BulkSummary(affected=0)
        while True:
            done = await self._caller.call(self._once.PurgeQueue, request)
            total = total.followed_by(BulkSummary(affected=done.deleted, more=done.more))
            yield total
            # A call that deleted nothing would be repeated for ever.
            if validate_only or not (done.more and done.deleted):
                return

    async def stats(self) -> JobTotals:
        """Give how many jobs there are in all queues that the caller may see."""
        return read_totals(await self._caller.call(self._queues.GetStats, queue_service_pb2.GetStatsRequest()))
