"""One stream of jobs to a server: sends what is there in one message, and pairs each job with the answer to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import grpc

from gosynq.v1 import job_service_pb2
from gosynq_client.errors import EnqueueStreamBroken, GosynqError, ProtocolViolation
from gosynq_client.jobs import EnqueuedJob, JobRequest
from gosynq_client.replies import read_enqueued
from gosynq_client.requests import job_spec, with_key
from gosynq_client.statuses import error_of_call, error_of_status

_MAX_UNANSWERED = 1000
_MAX_ITEMS = 100
_MAX_BYTES = 1024 * 1024
"""Of a message with more than one item; a server takes 4 MiB unless it is set to more or less."""

if TYPE_CHECKING:
    EnqueueCall: TypeAlias = grpc.aio.StreamStreamCall[
        job_service_pb2.StreamEnqueueJobsRequest, job_service_pb2.StreamEnqueueJobsResponse
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedJob:
    """One item of the stream: its place in the order of sending, from 0, the job with its key, and the answer."""

    sequence: int
    request: JobRequest
    outcome: EnqueuedJob | GosynqError


class EnqueueStream:
    """Sends jobs over one call, at most 1000 of them unanswered, as the server would stop reading there anyway.

    Taking jobs from their source and sending them are two tasks. So a job that comes alone is sent at once, and those
    that the source has ready, or gives while a message is being written, go together: each message costs the most.
    """

    def __init__(self, open_call: Callable[[], EnqueueCall], requests: AsyncIterable[JobRequest]) -> None:
        self._open_call = open_call
        self._requests = requests
        self._unanswered: dict[int, JobRequest] = {}
        self._room = asyncio.Semaphore(_MAX_UNANSWERED)
        self._unsent: deque[job_service_pb2.StreamEnqueueItem] = deque()
        self._taken = asyncio.Event()
        self._all_taken = False
        self._all_sent = False

    async def results(self) -> AsyncGenerator[StreamedJob, None]:
        """Give each answer as it comes, in any order. What `requests` raises is raised after the last answer.

        Raises EnqueueStreamBroken when the stream ends before everything is answered, or answers what was not asked.
        """
        call = self._open_call()
        # No TaskGroup: it may not span a yield, since it would cancel whatever the caller is awaiting (PEP 789).
        tasks = asyncio.create_task(self._take()), asyncio.create_task(self._send(call))
        try:
            try:
                async for response in call:
                    for result in response.results:
                        yield self._answer(result)
            except grpc.aio.AioRpcError as failure:
                raise self._broken() from error_of_call(failure)
            if self._unanswered or not self._all_sent:
                raise self._broken()
            for task in tasks:
                await task
        finally:
            call.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _broken(self) -> EnqueueStreamBroken:
        return EnqueueStreamBroken(tuple(self._unanswered.values()))

    def _answer(self, result: job_service_pb2.StreamEnqueueResult) -> StreamedJob:
        request = self._unanswered.pop(result.sequence, None)
        if request is None:
            raise self._broken() from ProtocolViolation(f"item {result.sequence} was answered, but waits for no answer")
        self._room.release()
        refused = result.WhichOneof("outcome") == "error"
        return StreamedJob(
            sequence=result.sequence,
            request=request,
            outcome=error_of_status(result.error) if refused else read_enqueued(result.result),
        )

    async def _take(self) -> None:
        try:
            sequence = 0
            async for request in self._requests:
                await self._take_one(sequence, with_key(request))
                sequence += 1
        finally:
            self._all_taken = True
            self._taken.set()

    async def _take_one(self, sequence: int, request: JobRequest) -> None:
        item = job_service_pb2.StreamEnqueueItem(sequence=sequence, job=job_spec(request))
        await self._room.acquire()
        self._unanswered[sequence] = request
        self._unsent.append(item)
        self._taken.set()

    async def _send(self, call: EnqueueCall) -> None:
        try:
            while items := await self._next_items():
                await call.write(job_service_pb2.StreamEnqueueJobsRequest(items=items))
            self._all_sent = True
        finally:
            await call.done_writing()

    async def _next_items(self) -> list[job_service_pb2.StreamEnqueueItem]:
        """Give what fits into one message of what was taken, waiting for a first item; nothing at the end."""
        await self._taken.wait()
        items: list[job_service_pb2.StreamEnqueueItem] = []
        size = 0
        while self._unsent and len(items) < _MAX_ITEMS:
            size += self._unsent[0].ByteSize()
            if items and size > _MAX_BYTES:
                break
            items.append(self._unsent.popleft())
        if not self._unsent and not self._all_taken:
            self._taken.clear()
        return items
