"""Our figures against the peers' of the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.catalogue import BESIDE
from bench.peers.catalogue import PEERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def ratios(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, dict[str, list[float]]]:
    """Return each of ours divided by each peer's, value by value and round by round: a noisy minute falls on both."""
    pairs = [
        (ours, f"{what}-{peer.name}") for what, all_of_ours in BESIDE.items() for ours in all_of_ours for peer in PEERS
    ]
    return {
        f"{ours} / {theirs}": {
            value: [mine / other for mine, other in zip(measured[ours][value], numbers, strict=True)]
            for value, numbers in measured[theirs].items()
        }
        for ours, theirs in pairs
        if ours in measured and theirs in measured
    }
