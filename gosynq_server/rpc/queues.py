"""QueueService: convert, call, convert."""

# The contract names a servicer's methods and their arguments.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gosynq.v1 import queue_service_pb2, queue_service_pb2_grpc
from gosynq_server.rpc.convert import text_of
from gosynq_server.rpc.convert_queues import (
    page_message,
    page_size_of,
    purge_of,
    queue_message,
    shown_message,
    totals_message,
    update_of,
)

if TYPE_CHECKING:
    import grpc

    from gosynq_server.service.queue_removal import QueueRemoval
    from gosynq_server.service.queue_verbs import QueueVerbs

    Context = grpc.aio.ServicerContext[Any, Any]


class QueueServicer(queue_service_pb2_grpc.QueueServiceServicer):
    """Answers QueueService."""

    def __init__(self, verbs: QueueVerbs, removal: QueueRemoval) -> None:
        self._verbs = verbs
        self._removal = removal

    async def ListQueues(
        self, request: queue_service_pb2.ListQueuesRequest, context: Context
    ) -> queue_service_pb2.ListQueuesResponse:
        """Return a page of queues."""
        size, token = page_size_of(request.page_size), text_of(request.page_token, "page_token")
        return page_message(await self._verbs.list(page_size=size, page_token=token, with_stats=request.include_stats))

    async def GetQueue(
        self, request: queue_service_pb2.GetQueueRequest, context: Context
    ) -> queue_service_pb2.GetQueueResponse:
        """Return one queue with what is in it."""
        return queue_service_pb2.GetQueueResponse(queue=shown_message(await self._verbs.get(request.queue)))

    async def UpdateQueue(
        self, request: queue_service_pb2.UpdateQueueRequest, context: Context
    ) -> queue_service_pb2.UpdateQueueResponse:
        """Change what a queue says of itself."""
        details = await self._verbs.update(update_of(request))
        return queue_service_pb2.UpdateQueueResponse(queue=queue_message(details))

    async def DeleteQueue(
        self, request: queue_service_pb2.DeleteQueueRequest, context: Context
    ) -> queue_service_pb2.DeleteQueueResponse:
        """Delete one queue."""
        etag = text_of(request.etag, "etag")
        await self._removal.delete(request.queue, force=request.force, etag=etag, allow_missing=request.allow_missing)
        return queue_service_pb2.DeleteQueueResponse()

    async def PauseQueue(
        self, request: queue_service_pb2.PauseQueueRequest, context: Context
    ) -> queue_service_pb2.PauseQueueResponse:
        """Have one queue hand out nothing."""
        details = await self._verbs.pause(request.queue, reason=text_of(request.reason, "reason"))
        return queue_service_pb2.PauseQueueResponse(queue=queue_message(details))

    async def ResumeQueue(
        self, request: queue_service_pb2.ResumeQueueRequest, context: Context
    ) -> queue_service_pb2.ResumeQueueResponse:
        """Make one queue active."""
        details = await self._verbs.resume(request.queue)
        return queue_service_pb2.ResumeQueueResponse(queue=queue_message(details))

    async def DrainQueue(
        self, request: queue_service_pb2.DrainQueueRequest, context: Context
    ) -> queue_service_pb2.DrainQueueResponse:
        """Have one queue take nothing new."""
        details = await self._verbs.drain(request.queue, reason=text_of(request.reason, "reason"))
        return queue_service_pb2.DrainQueueResponse(queue=queue_message(details))

    async def PurgeQueue(
        self, request: queue_service_pb2.PurgeQueueRequest, context: Context
    ) -> queue_service_pb2.PurgeQueueResponse:
        """Delete some jobs of one queue, or only count them."""
        statuses, limit = purge_of(request)
        if request.validate_only:
            jobs = await self._removal.count(request.queue, statuses)
            return queue_service_pb2.PurgeQueueResponse(deleted=min(jobs, limit), more=jobs > limit)
        deleted = await self._removal.purge(request.queue, statuses, limit=limit)
        return queue_service_pb2.PurgeQueueResponse(deleted=deleted, more=deleted == limit)

    async def GetStats(
        self, request: queue_service_pb2.GetStatsRequest, context: Context
    ) -> queue_service_pb2.GetStatsResponse:
        """Count the jobs of all queues."""
        return totals_message(await self._verbs.totals())
