"""One producer's stream of jobs: read as they come, enqueued in groups, each answered once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from gosynq.v1.job_service_pb2 import StreamEnqueueJobsRequest, StreamEnqueueJobsResponse
from gosynq_server.domain.errors import GosynqError, ServerDraining, ValidationFailed
from gosynq_server.rpc.convert_specs import enqueued_message, spec_of
from gosynq_server.rpc.errors import status_of
from gosynq_server.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from gosynq_server.domain.job import JobSpec
    from gosynq_server.service.enqueue import Enqueued, Enqueuer

    Item = tuple[int, JobSpec]

GROUP_LIMIT = 500
UNANSWERED_LIMIT = 1000


class EnqueueStream:
    """Reads, enqueues and writes at the same time; reading stops while UNANSWERED_LIMIT items wait for their answer.

    There is one writer: of two writes at once the library loses one.
    """

    def __init__(self, enqueuer: Enqueuer, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._enqueuer = enqueuer
        self._context = context
        self._room = asyncio.Semaphore(UNANSWERED_LIMIT)
        self._arrived: asyncio.Queue[Item | None] = asyncio.Queue()
        self._answers: asyncio.Queue[StreamEnqueueJobsResponse | None] = asyncio.Queue()

    async def run(self, *, draining: asyncio.Event, age: timedelta) -> None:
        """Serve the stream until the caller closes its side.

        When the server drains, or the stream reaches its age, nothing more is read, what was read is answered, and
        ServerDraining is raised.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            closing = group.create_task(_stop_in_time(reading, draining, age))
            group.create_task(self._enqueue())
            await self._write()
            closing.cancel()
        if reading.cancelled():
            raise ServerDraining

    async def _read(self) -> None:
        try:
            while True:
                await self._room.acquire()
                request = await self._context.read()
                if request is grpc.aio.EOF:
                    return
                self._take(request)
        finally:
            self._arrived.put_nowait(None)

    def _take(self, request: StreamEnqueueJobsRequest) -> None:
        try:
            check(request)
            self._arrived.put_nowait((request.sequence, spec_of(request.job)))
        except ValidationFailed as refusal:
            self._answers.put_nowait(_answer(request.sequence, refusal))

    async def _enqueue(self) -> None:
        while group := await self._next_group():
            outcomes = await self._outcomes_of([spec for _, spec in group])
            for (sequence, _), outcome in zip(group, outcomes, strict=True):
                self._answers.put_nowait(_answer(sequence, outcome))
        self._answers.put_nowait(None)

    async def _next_group(self) -> list[Item]:
        """Return what has arrived, waiting for a first item; nothing when there will be none."""
        group: list[Item] = []
        while len(group) < GROUP_LIMIT and not (group and self._arrived.empty()):
            item = await self._arrived.get()
            if item is None:
                self._arrived.put_nowait(None)
                break
            group.append(item)
        return group

    async def _outcomes_of(self, specs: Sequence[JobSpec]) -> Sequence[Enqueued | GosynqError]:
        try:
            return await self._enqueuer.enqueue_each(specs)
        except GosynqError as refusal:
            return [refusal] * len(specs)

    async def _write(self) -> None:
        while (answer := await self._answers.get()) is not None:
            await self._context.write(answer)
            self._room.release()


def _answer(sequence: int, outcome: Enqueued | GosynqError) -> StreamEnqueueJobsResponse:
    if isinstance(outcome, GosynqError):
        return StreamEnqueueJobsResponse(sequence=sequence, error=status_of(outcome))
    return StreamEnqueueJobsResponse(sequence=sequence, result=enqueued_message(outcome))


async def _stop_in_time(reading: asyncio.Task[None], draining: asyncio.Event, age: timedelta) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(age.total_seconds()):
            await draining.wait()
    reading.cancel()
