"""The figures there are: ours, and of each peer what stands beside some of ours."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench import figures, queues, watching, working
from bench.peers import beside
from bench.peers.catalogue import PEERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers.catalogue import Peer

Figure = partial[dict[str, float]]

WHOLE: Mapping[str, Figure] = {
    "unary-1": partial(figures.unary, 1),
    "unary-16": partial(figures.unary, 16),
    "unary-128": partial(figures.unary, 128),
    "batch": partial(figures.batch, 200_000),
    "stream": partial(figures.stream, 200_000),
    "drain": partial(figures.drain, 200_000),
    "latency": partial(figures.latency, 1_000),
    "backlog": partial(figures.backlog, 1_000_000),
    "backlog-by-kind": partial(figures.backlog_by_kind, 1_000_000),
    "limited": partial(queues.limited, 200_000),
    "fair": partial(queues.fair, 200_000, 10_000),
    "held": partial(queues.held, 100_000, 1_000),
    "event-cost": partial(watching.event_cost, 200_000),
    "watch-lag": partial(watching.watch_lag, 1_000, 15),
    "watch-fan-out-1": partial(watching.watch_fan_out, 1, 200_000),
    "watch-fan-out-100": partial(watching.watch_fan_out, 100, 10_000),
    "watch-fan-out-1000": partial(watching.watch_fan_out, 1_000, 1_000),
    "watch-stalled": partial(watching.watch_stalled, 100, 80),
    "work-1": partial(working.work, 1, 100_000),
    "work-10": partial(working.work, 10, 100_000),
    "work-python": partial(working.work_python, 100_000),
    "work-latency": partial(working.work_latency, 1_000),
}
QUICK: Mapping[str, Figure] = {
    **{name: WHOLE[name] for name in ("unary-1", "unary-16", "unary-128")},
    "batch": partial(figures.batch, 50_000),
    "stream": partial(figures.stream, 50_000),
    "drain": partial(figures.drain, 50_000),
    "latency": partial(figures.latency, 300),
    "backlog": partial(figures.backlog, 100_000),
    "backlog-by-kind": partial(figures.backlog_by_kind, 100_000),
    "limited": partial(queues.limited, 50_000),
    "fair": partial(queues.fair, 50_000, 10_000),
    "held": partial(queues.held, 20_000, 1_000),
    "event-cost": partial(watching.event_cost, 50_000),
    "watch-lag": partial(watching.watch_lag, 1_000, 5),
    "watch-fan-out-1": partial(watching.watch_fan_out, 1, 50_000),
    "watch-fan-out-100": partial(watching.watch_fan_out, 100, 3_000),
    "watch-fan-out-1000": partial(watching.watch_fan_out, 1_000, 1_000),
    "watch-stalled": partial(watching.watch_stalled, 100, 40),
    "work-1": partial(working.work, 1, 20_000),
    "work-10": partial(working.work, 10, 20_000),
    "work-python": partial(working.work_python, 20_000),
    "work-latency": partial(working.work_latency, 300),
}
BESIDE: Mapping[str, tuple[str, ...]] = {
    "bulk": ("batch",),
    "drain": ("drain", "work-python"),
    "latency": ("latency", "work-latency"),
}
"""Which of our figures each of a peer's stands beside."""
_QUICK_PART = 4


def known(*, is_quick: bool) -> dict[str, Figure]:
    """Return all figures by name, the installed and the missing peers' too."""
    ours = QUICK if is_quick else WHOLE
    part = _QUICK_PART if is_quick else 1
    waits = 300 if is_quick else 1_000
    of_peers: dict[str, Figure] = {}
    for peer in PEERS:
        of_peers[f"bulk-{peer.name}"] = partial(beside.bulk, peer, peer.jobs // part)
        of_peers[f"drain-{peer.name}"] = partial(beside.drain, peer, peer.jobs // part)
        of_peers[f"latency-{peer.name}"] = partial(beside.latency, peer, waits)
    return {**ours, **of_peers}


def missing() -> dict[str, Peer]:
    """Return the peers that are not installed, by the names of their figures."""
    return {f"{what}-{peer.name}": peer for peer in PEERS if not peer.is_installed for what in BESIDE}
