"""A worker that stands still for a while, as a machine that sleeps or a container that is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gosynq_server.conformance.book import HandedOut
    from gosynq_server.conformance.stage import Stage

_OVER = 1.1
_LATE = 0.6


async def late_leases(stage: Stage) -> str:
    """Begin no lease that ran out before it was seen, and one that came late and holds."""
    timing = stage.timing
    [before] = await stage.hand_out("echo", {})
    await stage.outcome(before, "success")
    with stage.process.paused():
        [over] = await stage.hand_out("echo", {"late": "too late"})
        await stage.watch((_OVER - _LATE) * timing.lease)
        late = await stage.hand_out("echo", {"late": "in time"}) if stage.room else []
        await stage.watch(_LATE * timing.lease)
    await stage.until(
        lambda: _begun(over) or all(lease.results for lease in late),
        "a lease that came late, and holds, was not begun",
    )
    await stage.watch(timing.interval if late else timing.patience, lambda: _begun(over))
    await stage.outcomes(late, "success")
    return "what had run out was left, what came late was done"


def _begun(lease: HandedOut) -> str | None:
    """Say what a lease that had run out came back as, if it was begun; it may be given back."""
    outcomes = [str(result.WhichOneof("outcome")) for result in lease.results]
    begun = [outcome for outcome in outcomes if outcome != "release"]
    return f"a lease that had run out before it was seen was begun: echo came back as {begun[0]}" if begun else None
