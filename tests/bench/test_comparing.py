"""Ours against the peers'."""

from __future__ import annotations

from bench.comparing import ratios


def test_a_ratio_is_made_of_two_figures_of_the_same_round() -> None:
    measured = {"drain": {"jobs/s": [30.0, 10.0]}, "drain-river": {"jobs/s": [10.0, 5.0]}}

    assert ratios(measured) == {"drain / drain-river": {"jobs/s": [3.0, 2.0]}}


def test_each_of_ours_is_compared_with_each_peer_that_was_measured() -> None:
    measured = {name: {"jobs/s": [1.0]} for name in ("drain", "work-python", "drain-river", "drain-pgqueuer")}

    assert set(ratios(measured)) == {
        "drain / drain-river",
        "drain / drain-pgqueuer",
        "work-python / drain-river",
        "work-python / drain-pgqueuer",
    }


def test_only_values_that_the_peer_has_are_compared() -> None:
    ours = {"p50 ms": [2.0], "p99 ms": [6.0], "other": [1.0]}

    measured = {"latency": ours, "latency-river": {"p50 ms": [4.0], "p99 ms": [3.0]}}

    assert ratios(measured) == {"latency / latency-river": {"p50 ms": [0.5], "p99 ms": [2.0]}}


def test_nothing_is_compared_without_a_peer() -> None:
    assert ratios({"drain": {"jobs/s": [1.0]}}) == {}
