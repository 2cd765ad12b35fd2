"""Watchers that keep the books: one over the client, which goes on by itself, and one that does all that by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from random import Random

import grpc

from gosynq.v1 import event_service_pb2, event_service_pb2_grpc
from gosynq_client import Client, JobEvent
from gosynq_client import JobStatus as ClientStatus
from gosynq_client.replies import read_event
from gosynq_client.statuses import error_of_call
from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import EventType
from tests.fault.watched import Connection, Seen

LAST = "last"
"""The kind of a run's last job: watchers leave when it has succeeded."""

_BATCHES = (3, 100, 1000)
_LONGEST_STAY = 3000
_SHARE_FORGOTTEN, _MOST_FORGOTTEN = 0.25, 3
_PAUSE = 0.05


@dataclass(slots=True, kw_only=True)
class ClientWatcher:
    """Watches everything over the client, which shows no repeats. answers counts how often it found a server."""

    client: Client
    answers: int = 0
    events: list[Seen] = field(default_factory=list)
    _grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Watch from the first event to the last."""
        async with self.client.watch(from_oldest=True, on_connection=self._note) as watch:
            async for event in watch:
                self.events.append(seen_of(event))
                async with self._grown:
                    self._grown.notify_all()
                if is_last(event):
                    break

    async def until(self, count: int) -> None:
        """Wait until so many events have come."""
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.events) >= count)

    def _note(self, error: Exception | None) -> None:
        self.answers += error is None


@dataclass(slots=True, kw_only=True)
class Wanderer:
    """Watches everything from one server to the next, leaving each after a while or when it is gone.

    It goes on from the cursor of the last response, or, as if it had been killed before it wrote that down, from one
    before. reasons counts what streams ended with.
    """

    addresses: Sequence[str]
    random: Random
    connections: list[Connection] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    _cursors: list[tuple[str, int]] = field(default_factory=list)

    async def run(self) -> None:
        """Watch from the first event to the last."""
        for address in cycle(self.addresses):
            async with grpc.aio.insecure_channel(address) as channel:
                stub: event_service_pb2_grpc.EventServiceAsyncStub = event_service_pb2_grpc.EventServiceStub(channel)
                if await self._follow(stub):
                    return
            await asyncio.sleep(_PAUSE)

    async def _follow(self, stub: event_service_pb2_grpc.EventServiceAsyncStub) -> bool:
        """Watch over one connection; say whether the last event has come."""
        cursor, begin = self._place()
        events: list[Seen] = []
        self.connections.append(Connection(begin=begin, events=events))
        stay = self.random.randrange(1, _LONGEST_STAY)
        try:
            async for response in stub.WatchEvents(self._request(cursor)):
                given = [read_event(event) for event in response.events]
                events += map(seen_of, given)
                self._cursors.append((response.cursor, begin + len(events)))
                if any(map(is_last, given)) or len(events) >= stay:
                    return any(map(is_last, given))
        except grpc.aio.AioRpcError as failure:
            error = error_of_call(failure)
            self.reasons[error.reason or error.code] += 1
        return False

    def _place(self) -> tuple[str, int]:
        """Return where to go on, and how many events stand before that."""
        if not self._cursors:
            return "", 0
        forgotten = self.random.random() < _SHARE_FORGOTTEN and self.random.randrange(_MOST_FORGOTTEN)
        return self._cursors[-1 - min(forgotten, len(self._cursors) - 1)]

    def _request(self, cursor: str) -> event_service_pb2.WatchEventsRequest:
        request = event_service_pb2.WatchEventsRequest(max_batch_size=self.random.choice(_BATCHES))
        if cursor:
            request.cursor = cursor
        else:
            request.from_oldest = True
        return request


def seen_of(event: JobEvent) -> Seen:
    """Keep of an event what is judged."""
    return Seen(
        event_id=event.event_id,
        job_id=event.job_id,
        revision=event.revision,
        type=EventType(event.type),
        status=JobStatus(event.status),
    )


def is_last(event: JobEvent) -> bool:
    """Say whether it is a run's last event."""
    return event.kind == LAST and event.status is ClientStatus.COMPLETED
