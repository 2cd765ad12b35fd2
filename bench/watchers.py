"""Watchers: python -m bench.watchers TARGET READY ASKED; prints one JSON object of what all of them saw together."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from bench.load import percentiles
from gosynq.v1 import event_pb2, event_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_METHOD = "/gosynq.v1.EventService/WatchEvents"
_CHANNELS = 4
_OPENED_AT_ONCE = 100
_SECONDS = 300.0
_LONG_AGO_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many watchers of a queue, besides those that read nothing; how many events each waits for, and since when.

    batch is how many events a response may hold. since is in seconds since the epoch; 0: from now on. lags: also
    measure how long after its timestamp each event comes, which costs more than to count it. Those that read nothing
    come and go, each time for so many seconds (alternate), and the lags meanwhile are told apart.
    """

    queue: str
    events: int
    watchers: int = 1
    stalled: int = 0
    batch: int = 100
    since: float = 0
    lags: bool = False
    alternate: float = 10.0

    def request(self) -> event_service_pb2.WatchEventsRequest:
        """Return what each of them asks the server for."""
        request = event_service_pb2.WatchEventsRequest(queues=[self.queue], max_batch_size=self.batch)
        if self.since:
            request.start_at.FromDatetime(datetime.fromtimestamp(self.since, UTC))
        return request


@dataclass(slots=True, kw_only=True)
class Seen:
    """What came, in events and responses; when, by the monotonic clock; and how late."""

    events: int = 0
    responses: int = 0
    first: float = 0.0
    last: float = 0.0
    lags: list[float] = field(default_factory=list)
    lags_beside: list[float] = field(default_factory=list)
    is_beside: bool = False

    def told(self) -> dict[str, float]:
        """Return it in numbers per second and milliseconds."""
        seconds = self.last - self.first
        rates = {
            "responses": self.responses,
            "per_second": self.events / seconds,
            "responses_per_second": self.responses / seconds,
        }
        lags = percentiles(self.lags) if self.lags else {}
        beside = percentiles(self.lags_beside) if self.lags_beside else {}
        return rates | lags | {f"beside_{name}": value for name, value in beside.items()}


async def follow(call: Any, asked: Asked, seen: Seen) -> None:
    """Read until all events have come."""
    count = reader_of(asked, seen)
    left = asked.events
    while left > 0:
        left -= (came := count(await call.read()))
        seen.last = time.perf_counter()
        seen.first = seen.first or seen.last
        seen.events += came
        seen.responses += 1


def reader_of(asked: Asked, seen: Seen) -> Callable[[bytes], int]:
    """Return what tells the number of events in a response: it counts the queue's name, so as not to be measured."""
    marker = event_pb2.JobEvent(queue=asked.queue).SerializeToString()

    def read(response: bytes) -> int:
        now = time.time()
        events = event_service_pb2.WatchEventsResponse.FromString(response).events
        lags = seen.lags_beside if seen.is_beside else seen.lags
        lags += [now - event.timestamp.seconds - event.timestamp.nanos / 1e9 for event in events]
        return len(events)

    return read if asked.lags else lambda response: response.count(marker)


async def opened(channels: Sequence[grpc.aio.Channel], asked: Asked, count: int) -> list[Any]:
    """Open so many watches and wait until each has begun."""
    calls: list[Any] = []
    for number in range(count):
        channel = channels[number % len(channels)]
        open_call: Any = channel.unary_stream(_METHOD, event_service_pb2.WatchEventsRequest.SerializeToString)
        calls.append(open_call(asked.request()))
        if len(calls) % _OPENED_AT_ONCE == 0:
            await asyncio.gather(*(call.read() for call in calls[-_OPENED_AT_ONCE:]))
    await asyncio.gather(*(call.read() for call in calls[len(calls) - len(calls) % _OPENED_AT_ONCE :]))
    return calls


async def come_and_go(channel: grpc.aio.Channel, asked: Asked, seen: Seen) -> None:
    """Open the watches that read nothing, and end them, again and again; each has more to read than fits on its way."""
    while asked.stalled:
        await asyncio.sleep(asked.alternate)
        everything = replace(asked, since=time.time() - _LONG_AGO_SECONDS)
        stalled = await opened([channel], everything, asked.stalled)
        seen.is_beside = True
        await asyncio.sleep(asked.alternate)
        for call in stalled:
            call.cancel()
        seen.is_beside = False


async def main(target: str, ready: str, asked: Asked) -> None:
    """Watch, and say when all have begun; those that read nothing have a connection of their own."""
    seen = Seen()
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    async with AsyncExitStack() as stack, asyncio.timeout(_SECONDS):
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(target, options=options))
            for _ in range(_CHANNELS + 1)
        ]
        calls = await opened(channels[:_CHANNELS], asked, asked.watchers)
        await asyncio.to_thread(Path(ready).write_text, json.dumps(asdict(asked)))
        async with asyncio.TaskGroup() as group:
            coming = group.create_task(come_and_go(channels[_CHANNELS], asked, seen))
            await asyncio.gather(*(follow(call, asked, seen) for call in calls))
            coming.cancel()
        sys.stdout.write(json.dumps(seen.told()))
        for call in calls:
            call.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], Asked(**json.loads(sys.argv[3]))))
