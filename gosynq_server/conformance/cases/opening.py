"""How a worker comes to a server, and what it does with what it does not know."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from gosynq.v1.worker_service_pb2 import WorkResponse
from gosynq_server.conformance.cases.kinds import KINDS
from gosynq_server.conformance.reports import NotAsExpected

if TYPE_CHECKING:
    from gosynq_server.conformance.stage import Stage

_QUIET = timedelta(seconds=0.5)
_MOST_AT_ONCE = 50
_JOB_SECONDS = 0.3
_TURNED_AWAY = timedelta(seconds=3)
_MOST_STREAMS = 15
# A field that no version of the contract has: number 1000, two bytes long; and a message that says nothing.
_UNKNOWN = (b"\xc2\x3e\x02hi", b"")


async def hello(stage: Stage) -> str:
    """Say hello first, and nothing more before the welcome."""
    stage.record.welcome_withheld = True
    session = await stage.connected()
    said = session.hello
    await stage.watch(_QUIET, lambda: "it did not wait for the welcome" if session.messages > 1 else None)
    if said is None or stage.record.book.queue not in {subscription.queue for subscription in said.queues}:
        raise NotAsExpected(f"the hello does not name the queue {stage.record.book.queue} that GOSYNQ_QUEUE says")
    if said.kinds and (missing := KINDS - set(said.kinds)):
        raise NotAsExpected(f"the hello leaves out kinds: {', '.join(sorted(missing))}")
    if said.held_leases:
        raise NotAsExpected("a new process named leases in held_leases")
    stage.record.welcome_withheld = False
    session.welcome()
    [lease] = await stage.hand_out("echo", {})
    await stage.outcome(lease, "success")
    return f"{said.worker_id}, {said.runtime.sdk or 'no sdk named'}, room for {session.limit}"


async def credits(stage: Stage) -> str:  # noqa: A001 - the contract's word
    """Take all that there was said to be room for, and then as much again."""
    first = await stage.fill("sleep", [{"seconds": _JOB_SECONDS}] * _MOST_AT_ONCE)
    patience = stage.timing.patience + timedelta(seconds=_JOB_SECONDS * len(first))
    await stage.outcomes(first, "success", patience)
    second = await stage.hand_out("sleep", *[{"seconds": _JOB_SECONDS}] * len(first))
    await stage.outcomes(second, "success", patience)
    await stage.until(
        lambda: stage.room >= len(first),
        lambda: (
            f"max_in_flight is {stage.session.limit} after {len(first)} leases were taken and ended: no room came back"
        ),
    )
    return f"{len(first)} leases at once, twice"


async def unknown(stage: Stage) -> str:
    """Ignore messages that a later version may send."""
    session = await stage.connected()
    for message in _UNKNOWN:
        session.send(WorkResponse.FromString(message))
    [lease] = await stage.hand_out("echo", {})
    await stage.outcome(lease, "success")
    if len(stage.record.sessions) > 1:
        raise NotAsExpected("the worker left the stream at a message that it does not know")
    return "the stream went on"


async def back_off(stage: Stage) -> str:
    """Come back to a server that turns it away, not in a hurry."""
    stage.record.is_turning_away = True
    count = await _streams_that_end_at_once(stage)
    stage.record.is_turning_away = False
    return await _back(stage, count)


async def back_off_welcomed(stage: Stage) -> str:
    """Come back to a server that welcomes it and ends the stream well, not in a hurry either."""
    stage.record.is_dismissing = True
    count = await _streams_that_end_at_once(stage)
    stage.record.is_dismissing = False
    return await _back(stage, count)


async def _streams_that_end_at_once(stage: Stage) -> int:
    await stage.connected()
    begun = monotonic()
    await stage.watch(_TURNED_AWAY)
    count = len(stage.record.sessions)
    if count > _MOST_STREAMS:
        raise NotAsExpected(f"{count} streams in {monotonic() - begun:.0f} s to a server that ends them at once")
    return count


async def _back(stage: Stage, count: int) -> str:
    await stage.connected(streams=count + 1, within=2 * stage.timing.patience)
    return f"{count} streams in {_TURNED_AWAY.total_seconds():g} s"
