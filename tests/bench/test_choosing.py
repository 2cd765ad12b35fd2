"""Which figures are measured."""

from __future__ import annotations

from pathlib import Path

from bench.choosing import Choice, choose
from bench.peers.catalogue import Peer

KNOWN = ["drain", "work-1", "bulk-here", "drain-here", "drain-there", "latency-there"]
THERE = Peer(
    name="there", language="go", adapter=("there",), installed_as=Path("/nowhere"), unfinished="SELECT 0", jobs=1
)
MISSING = {"drain-there": THERE, "latency-there": THERE}


def test_all_that_can_be_measured_is_measured_by_default_and_the_rest_named() -> None:
    assert choose([], KNOWN, MISSING) == Choice(
        names=("drain", "work-1", "bulk-here", "drain-here"),
        note="left out, not installed: there; make bench-peers-go",
    )


def test_nothing_is_said_where_all_are_installed() -> None:
    assert choose([], KNOWN, {}) == Choice(names=tuple(KNOWN))


def test_figures_are_named_or_matched_and_keep_their_order() -> None:
    assert choose(["*-here", "drain"], KNOWN, MISSING) == Choice(names=("drain", "bulk-here", "drain-here"))


def test_a_pattern_that_matches_more_than_a_missing_peer_goes_on_without_it() -> None:
    choice = choose(["drain*"], KNOWN, MISSING)

    assert choice.names == ("drain", "drain-here")
    assert choice.note == "left out, not installed: there; make bench-peers-go"


def test_a_missing_peer_that_was_asked_for_is_refused_with_what_installs_it() -> None:
    assert choose(["drain", "drain-there"], KNOWN, MISSING) == Choice(
        refusal="not installed: there; make bench-peers-go"
    )


def test_a_name_that_matches_nothing_is_refused() -> None:
    assert choose(["drain", "drian"], KNOWN, MISSING) == Choice(refusal="no such figure: drian")
