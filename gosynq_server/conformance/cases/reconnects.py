"""What goes on over the end of a stream."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq.v1.worker_service_pb2 import GoAway, WorkResponse
from gosynq_server.conformance.book import key_of
from gosynq_server.conformance.reports import NotAsExpected
from gosynq_server.rpc.convert import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.session import Session
    from gosynq_server.conformance.stage import Stage

_TWO = 2
_STARTED = timedelta(seconds=0.3)


async def resend(stage: Stage) -> str:
    """Send a result again that was not acknowledged when the stream broke."""
    [lease] = await stage.hand_out("echo", {"once": True})
    lease.withheld = True
    first = await stage.outcome(lease, "success")
    stage.break_stream()
    session = await stage.connected(streams=2)
    _expect_held(session, [lease])
    lease.withheld = False
    await stage.until(lambda: len(lease.results) > 1, "the result was not sent again on the new stream")
    if lease.results[1] != first:
        raise NotAsExpected("another result was sent on the new stream")
    await stage.watch(stage.timing.interval)
    return "sent again on the new stream"


async def held_leases(stage: Stage) -> str:
    """Name the open leases after a break, and go on with them."""
    seconds = 2 * stage.timing.interval.total_seconds()
    leases = await stage.fill("sleep", [{"seconds": seconds}] * _TWO)
    await stage.watch(_STARTED)
    stage.break_stream()
    session = await stage.connected(streams=2)
    _expect_held(session, leases)
    await stage.outcomes(leases, "success", timedelta(seconds=seconds) + stage.timing.patience)
    return f"{len(leases)} leases were named and went on"


async def go_away(stage: Stage) -> str:
    """Open another stream when it is asked to leave, with a job that goes on."""
    patience = stage.timing.patience
    seconds = patience.total_seconds() + 1
    [lease] = await stage.hand_out("sleep", {"seconds": seconds})
    await stage.watch(_STARTED)
    old = stage.session
    old.send(WorkResponse(go_away=GoAway(reason="the server stops", grace=duration(2 * patience))))
    session = await stage.connected(streams=2)
    if not lease.results:
        _expect_held(session, [lease])
    await stage.until(lambda: old.has_ended, "the old stream was not left")
    await stage.outcome(lease, "success", 2 * patience)
    return "another stream took its place while the job went on"


def _expect_held(session: Session, leases: Sequence[HandedOut]) -> None:
    held = {key_of(ref) for ref in session.hello.held_leases} if session.hello else set()
    if missing := [lease for lease in leases if lease.key not in held]:
        raise NotAsExpected(f"held_leases left out {len(missing)} of {len(leases)} open leases after a break")
