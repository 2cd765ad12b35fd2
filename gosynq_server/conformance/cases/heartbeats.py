"""Leases that are kept alive."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING

from gosynq_server.conformance.reports import NotAsExpected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gosynq_server.conformance.book import Key
    from gosynq_server.conformance.session import Beat
    from gosynq_server.conformance.stage import Stage

_SEVERAL = 3
_LEASES_LONG = 2.5


async def heartbeats(stage: Stage) -> str:
    """Extend all open leases in time."""
    seconds = 4.5 * stage.timing.interval.total_seconds()
    leases = await stage.fill("sleep", [{"seconds": seconds}] * _SEVERAL)
    begun = monotonic()
    await stage.watch(4 * stage.timing.interval)
    open_leases = frozenset(lease.key for lease in leases)
    _expect(stage, open_leases, begun)
    return f"{len(stage.session.beats)} heartbeats in {monotonic() - begun:.1f} s for {len(leases)} leases"


async def unacknowledged(stage: Stage) -> str:
    """Go on extending a lease whose result nobody has acknowledged."""
    [lease] = await stage.hand_out("echo", {})
    lease.withheld = True
    await stage.outcome(lease, "success")
    begun = monotonic()
    await stage.watch(2.5 * stage.timing.interval)
    _expect(stage, frozenset({lease.key}), begun)
    stage.session.acknowledge([lease])
    [after] = await stage.hand_out("echo", {})
    await stage.outcome(after, "success")
    return f"extended for {monotonic() - begun:.1f} s"


async def long_job(stage: Stage) -> str:
    """Keep a job alive that takes longer than its lease, and do it once."""
    seconds = _LEASES_LONG * stage.timing.lease.total_seconds()
    [lease] = await stage.hand_out("long", {"seconds": seconds})
    within = timedelta(seconds=seconds) + stage.timing.patience
    await stage.until(
        lambda: lease.results or lease.lapsed,
        lambda: f"no result of a job of {seconds:g} s came",
        within,
    )
    if lease.lapsed:
        raise NotAsExpected(
            f"the lease of {stage.timing.lease.total_seconds():g} s ran out: it was not extended in time"
        )
    await stage.outcome(lease, "success")
    took = monotonic() - lease.at
    if took < seconds * 0.9:
        raise NotAsExpected(f"a job of {seconds:g} s was done after {took:.1f} s")
    await stage.watch(stage.timing.interval)
    return f"{took:.1f} s under a lease of {stage.timing.lease.total_seconds():g} s"


def _expect(stage: Stage, leases: frozenset[Key], begun: float) -> None:
    if problem := judge_beats(stage.session.beats, leases, (begun, monotonic()), stage.timing.interval):
        raise NotAsExpected(problem)


def judge_beats(
    beats: Sequence[Beat], leases: frozenset[Key], span: tuple[float, float], interval: timedelta
) -> str | None:
    """Say what is wrong with the heartbeats of a span of time in which these leases were open, if anything.

    One may be late, so twice the interval is allowed; one that was on its way when the leases came knows nothing of
    them, so the first half of an interval is not looked at for names.
    """
    begun, ended = span
    seconds = interval.total_seconds()
    inside = [beat for beat in beats if begun <= beat.at <= ended]
    moments = [begun, *(beat.at for beat in inside), ended]
    gap = max(after - before for before, after in pairwise(moments))
    if gap > 2 * seconds:
        return f"no heartbeat for {gap:.1f} s, heartbeat_interval is {seconds:g} s"
    for beat in inside:
        if beat.at > begun + seconds / 2 and (missing := leases - beat.leases):
            return f"a heartbeat left out {len(missing)} of {len(leases)} open leases"
    return None
