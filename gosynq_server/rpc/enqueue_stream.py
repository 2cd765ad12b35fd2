"""One producer's stream of jobs: read as they come, enqueued in groups, each answered once."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import grpc

from gosynq.v1.job_service_pb2 import (
    StreamEnqueueItem,
    StreamEnqueueJobsRequest,
    StreamEnqueueJobsResponse,
    StreamEnqueueResult,
)
from gosynq_server.domain.errors import GosynqError, ServerDraining, ValidationFailed
from gosynq_server.domain.job import JobSpec
from gosynq_server.rpc.convert_specs import enqueued_message, spec_of
from gosynq_server.rpc.errors import status_of
from gosynq_server.rpc.stream_age import stop_in_time
from gosynq_server.rpc.validation import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from gosynq_server.service.enqueue import Enqueued, Enqueuer

    _Outcome = Enqueued | GosynqError

GROUP_LIMIT = 1000
UNANSWERED_LIMIT = 1000

RESULT_LIMIT = 500
"""Results in one message: were all of them refusals of STATUS_LIMIT bytes, it would stay near 2 MiB."""

_PAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """What a caller sent under a sequence. Its weight is one, and one more for each full page of its payload."""

    sequence: int
    content: JobSpec | ValidationFailed
    weight: int


class EnqueueStream:
    """Reads, enqueues and writes at the same time; reading stops while items of UNANSWERED_LIMIT are unanswered.

    Both limits count weights, so that large payloads fill neither the memory nor a statement.
    There is one writer: of two writes at once the library loses one.
    """

    def __init__(self, enqueuer: Enqueuer, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._enqueuer = enqueuer
        self._context = context
        self._unanswered = 0
        self._room = asyncio.Event()
        self._room.set()
        self._items: deque[_Item] = deque()
        self._all_read = False
        self._arrived = asyncio.Event()
        self._answers: asyncio.Queue[Sequence[tuple[_Item, _Outcome]]] = asyncio.Queue()

    async def run(self, *, draining: asyncio.Event, age: timedelta) -> None:
        """Serve the stream until the caller closes its side.

        When the server drains, or the stream reaches its age, nothing more is read, what was read is answered, and
        ServerDraining is raised. So it is with ValidationFailed when a message breaks rules that are no item's.
        """
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            closing = group.create_task(stop_in_time(reading, draining, age))
            group.create_task(self._enqueue())
            await self._write()
            closing.cancel()
        if reading.cancelled():
            raise ServerDraining
        if refusal := reading.result():
            raise refusal

    async def _read(self) -> ValidationFailed | None:
        try:
            while True:
                await self._room.wait()
                request = await self._context.read()
                if request is grpc.aio.EOF:
                    return None
                self._take(await _items_of(request))
        except ValidationFailed as refusal:
            return refusal
        finally:
            self._all_read = True
            self._arrived.set()

    def _take(self, items: Sequence[_Item]) -> None:
        self._items.extend(items)
        self._arrived.set()
        self._unanswered += sum(item.weight for item in items)
        if self._unanswered >= UNANSWERED_LIMIT:
            self._room.clear()

    async def _enqueue(self) -> None:
        while group := await self._next_group():
            answered = list(zip(group, await self._outcomes_of(group), strict=True))
            for start in range(0, len(answered), RESULT_LIMIT):
                self._answers.put_nowait(answered[start : start + RESULT_LIMIT])
        self._answers.put_nowait([])

    async def _next_group(self) -> list[_Item]:
        """Return what has arrived, waiting for a first item; nothing when there will be none."""
        await self._arrived.wait()
        group: list[_Item] = []
        weight = 0
        while self._items and weight < GROUP_LIMIT:
            group.append(self._items.popleft())
            weight += group[-1].weight
        if not self._items and not self._all_read:
            self._arrived.clear()
        return group

    async def _outcomes_of(self, group: Sequence[_Item]) -> list[_Outcome]:
        specs = [item.content for item in group if isinstance(item.content, JobSpec)]
        added: Iterator[_Outcome]
        try:
            added = iter(await self._enqueuer.enqueue_each(specs))
        except GosynqError as refusal:
            added = repeat(refusal, len(specs))
        return [next(added) if isinstance(item.content, JobSpec) else item.content for item in group]

    async def _write(self) -> None:
        while answered := await self._answers.get():
            results = [_result(item.sequence, outcome) for item, outcome in answered]
            await self._context.write(StreamEnqueueJobsResponse(results=results))
            self._unanswered -= sum(item.weight for item, _ in answered)
            if self._unanswered < UNANSWERED_LIMIT:
                self._room.set()


async def _items_of(request: StreamEnqueueJobsRequest) -> list[_Item]:
    """Return what a message holds, each item with its spec or its own refusal.

    Raises ValidationFailed where the message breaks a rule that no item can be blamed for: of their number.
    """
    try:
        check(request, fail_fast=True)
    except ValidationFailed as refusal:
        if refusal.violations[0].field == "items":
            raise
        return [await _checked_item_of(item) for item in request.items]
    return [_item_of(item) for item in request.items]


async def _checked_item_of(item: StreamEnqueueItem) -> _Item:
    # One item can break rules enough to take milliseconds, and there may be a thousand: let others have the loop.
    await asyncio.sleep(0)
    try:
        check(item)
    except ValidationFailed as refusal:
        return _Item(sequence=item.sequence, content=refusal, weight=1)
    return _item_of(item)


def _item_of(item: StreamEnqueueItem) -> _Item:
    try:
        spec = spec_of(item.job)
    except ValidationFailed as refusal:
        return _Item(sequence=item.sequence, content=refusal, weight=1)
    return _Item(sequence=item.sequence, content=spec, weight=1 + len(spec.payload) // _PAGE_BYTES)


def _result(sequence: int, outcome: _Outcome) -> StreamEnqueueResult:
    if isinstance(outcome, GosynqError):
        return StreamEnqueueResult(sequence=sequence, error=status_of(outcome))
    return StreamEnqueueResult(sequence=sequence, result=enqueued_message(outcome))
