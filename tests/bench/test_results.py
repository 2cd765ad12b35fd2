"""The page of a run."""

from __future__ import annotations

from bench.results import Machine, machine, page, told

MACHINE = Machine(processor="A Processor", cores=2, python="3.11.7", load=0.25)


def test_the_page_tells_what_was_measured_on_what_and_the_ratios() -> None:
    measured = {"drain": {"jobs/s": [31_000.0, 29_000.4, 30_000.0]}, "latency": {"p50 ms": [4.0, 3.5, 4.1]}}

    assert page(measured, {"drain / drain-river": {"jobs/s": [2.0, 1.0, 1.5]}}, MACHINE) == (
        "# Results\n\n"
        "Medians of 3 interleaved rounds, minimum and maximum in brackets. A Processor, 2 cores, Python 3.11.7;"
        " the load was 0.2 when the run began.\n\n"
        "| figure | value | measured |\n"
        "| --- | --- | ---: |\n"
        "| drain | jobs/s | 30,000 (29,000 - 31,000) |\n"
        "| latency | p50 ms | 4.00 (3.50 - 4.10) |\n\n"
        "## Ours divided by the peers'\n\n"
        "Of the same round each.\n\n"
        "| figures | value | measured |\n"
        "| --- | --- | ---: |\n"
        "| drain / drain-river | jobs/s | 1.50 (1.00 - 2.00) |\n"
    )


def test_a_page_without_peers_has_no_ratios() -> None:
    assert "divided" not in page({"drain": {"jobs/s": [1.0]}}, {}, MACHINE)


def test_small_numbers_keep_their_fractions() -> None:
    assert told([999.5]) == ("999.50", "999.50 - 999.50")
    assert told([1000.4]) == ("1,000", "1,000 - 1,000")


def test_this_machine_has_a_name_and_cores() -> None:
    assert machine().processor
    assert machine().cores >= 1
