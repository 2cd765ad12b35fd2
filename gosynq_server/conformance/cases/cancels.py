"""Jobs that are to stop: cancelled, or their lease lost."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from gosynq.v1.worker_service_pb2 import CancelNotice, CancelNotices, WorkResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.stage import Stage

_LONG = {"seconds": 60}
_STARTED = timedelta(seconds=0.3)
_STOPPED = timedelta(seconds=2)
_MOST_AT_ONCE = 50


async def cancel(stage: Stage) -> str:
    """Stop a job at a notice."""
    [lease] = await stage.hand_out("sleep", _LONG)
    await stage.watch(_STARTED)
    _notify(stage, [lease], lost=False)
    begun = monotonic()
    await stage.outcome(lease, "cancelled", _STOPPED)
    return f"stopped after {monotonic() - begun:.2f} s"


async def cancel_by_heartbeat(stage: Stage) -> str:
    """Stop a job of whose cancel a heartbeat's answer tells."""
    [lease] = await stage.hand_out("sleep", _LONG)
    lease.cancel_asked = True
    await _until_told(stage, "no heartbeat came")
    begun = monotonic()
    await stage.outcome(lease, "cancelled", _STOPPED)
    return f"stopped after {monotonic() - begun:.2f} s"


async def lease_lost(stage: Stage) -> str:
    """Stop jobs whose leases a heartbeat's answer says are lost."""
    leases = await stage.fill("sleep", [_LONG] * _MOST_AT_ONCE)
    await stage.watch(_STARTED)
    for lease in leases:
        lease.lost = True
    await _until_told(stage, "no heartbeat came")
    return await _stopped(stage, leases)


async def void_notice(stage: Stage) -> str:
    """Stop jobs whose leases a notice says are void already."""
    leases = await stage.fill("sleep", [_LONG] * _MOST_AT_ONCE)
    await stage.watch(_STARTED)
    for lease in leases:
        lease.lost = True
    _notify(stage, leases, lost=True)
    return await _stopped(stage, leases)


async def held_lost(stage: Stage) -> str:
    """Stop a job of which the welcome after a break says that its lease is lost."""
    leases = await stage.fill("sleep", [_LONG] * _MOST_AT_ONCE)
    await stage.watch(_STARTED)
    for lease in leases:
        lease.lost = True
    stage.break_stream()
    await stage.connected(streams=2)
    # A worker may as well go by the heartbeat that follows.
    await stage.watch(stage.timing.interval)
    return await _stopped(stage, leases)


def _notify(stage: Stage, leases: Sequence[HandedOut], *, lost: bool) -> None:
    notices = [CancelNotice(lease=lease.ref, reason="not needed any more", lease_lost=lost) for lease in leases]
    stage.session.send(WorkResponse(cancels=CancelNotices(cancels=notices)))


async def _until_told(stage: Stage, missing: str) -> None:
    session, heard = stage.session, len(stage.session.beats)
    await stage.until(lambda: len(session.beats) > heard, missing, 2 * stage.timing.interval)


async def _stopped(stage: Stage, leases: Sequence[HandedOut]) -> str:
    """See that lost jobs make place for others, are not extended, and that no result of theirs is insisted on."""
    begun = monotonic()
    after = await stage.hand_out("echo", *[{}] * len(leases))
    await stage.until(
        lambda: all(lease.results for lease in after),
        lambda: (
            f"{sum(not lease.results for lease in after)} of {len(after)} new jobs found no place: the lost went on"
        ),
        _STOPPED,
    )
    took = monotonic() - begun
    heard = len(stage.session.beats)
    lost = {lease.key for lease in leases}
    await stage.watch(
        2.5 * stage.timing.interval,
        lambda: (
            "a lost lease was extended on and on"
            if any(lost & beat.leases for beat in stage.session.beats[heard + 1 :])
            else "the result of a lost lease was sent again"
            if any(len(lease.results) > 1 for lease in leases)
            else None
        ),
    )
    return f"{len(leases)} made place within {took:.2f} s"
