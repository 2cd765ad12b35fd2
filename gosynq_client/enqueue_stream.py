"""One stream of jobs to a server: sends them as they come, and pairs each with the answer to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import grpc

from gosynq.v1 import job_service_pb2
from gosynq_client.errors import EnqueueStreamBroken, GosynqError
from gosynq_client.jobs import EnqueuedJob, JobRequest
from gosynq_client.replies import read_enqueued
from gosynq_client.requests import job_spec, with_key
from gosynq_client.statuses import error_of_call, error_of_status

_MAX_UNANSWERED = 1000

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
    """Sends jobs over one call, at most 1000 of them unanswered, as the server would stop reading there anyway."""

    def __init__(self, open_call: Callable[[], EnqueueCall], requests: AsyncIterable[JobRequest]) -> None:
        self._open_call = open_call
        self._requests = requests
        self._unanswered: dict[int, JobRequest] = {}
        self._room = asyncio.Semaphore(_MAX_UNANSWERED)
        self._all_sent = False

    async def results(self) -> AsyncGenerator[StreamedJob, None]:
        """Give each answer as it comes, in any order. What `requests` raises is raised after the last answer.

        Raises EnqueueStreamBroken when the stream ends before everything is answered.
        """
        call = self._open_call()
        # No TaskGroup: it may not span a yield, since it would cancel whatever the caller is awaiting (PEP 789).
        sender = asyncio.create_task(self._send(call))
        try:
            try:
                async for response in call:
                    yield self._answer(response)
            except grpc.aio.AioRpcError as failure:
                raise self._broken() from error_of_call(failure)
            if self._unanswered or not self._all_sent:
                raise self._broken()
            await sender
        finally:
            call.cancel()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    def _broken(self) -> EnqueueStreamBroken:
        return EnqueueStreamBroken(tuple(self._unanswered.values()))

    def _answer(self, response: job_service_pb2.StreamEnqueueJobsResponse) -> StreamedJob:
        request = self._unanswered.pop(response.sequence)
        self._room.release()
        refused = response.WhichOneof("outcome") == "error"
        return StreamedJob(
            sequence=response.sequence,
            request=request,
            outcome=error_of_status(response.error) if refused else read_enqueued(response.result),
        )

    async def _send(self, call: EnqueueCall) -> None:
        try:
            sequence = 0
            async for request in self._requests:
                await self._send_one(call, sequence, with_key(request))
                sequence += 1
        finally:
            self._all_sent = True
            await call.done_writing()

    async def _send_one(self, call: EnqueueCall, sequence: int, request: JobRequest) -> None:
        message = job_service_pb2.StreamEnqueueJobsRequest(sequence=sequence, job=job_spec(request))
        await self._room.acquire()
        self._unanswered[sequence] = request
        await call.write(message)
