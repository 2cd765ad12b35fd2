"""Each peer that is installed, on a PostgreSQL of its own."""

from __future__ import annotations

import pytest

from bench.peers import beside
from bench.peers.catalogue import PEERS, Peer

INSTALLED = [
    pytest.param(
        peer,
        id=peer.name,
        marks=pytest.mark.skipif(not peer.is_installed, reason=f"make bench-peers-{peer.language} installs it"),
    )
    for peer in PEERS
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("peer", INSTALLED)
def test_a_peer_drains_what_was_added_in_bulk(peer: Peer) -> None:
    assert beside.drain(peer, 1000)["jobs/s"] > 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("peer", INSTALLED)
def test_a_peer_tells_how_soon_handlers_begin(peer: Peer) -> None:
    measured = beside.latency(peer, 5)

    assert 0 < measured["p50 ms"] <= measured["p99 ms"]
