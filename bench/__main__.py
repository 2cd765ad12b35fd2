"""Measure figures in interleaved rounds: python -m bench [--quick] [--rounds N] [FIGURE ...]."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench import figures, watching, working

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


def main() -> None:
    """Measure what was asked for and print a table; the medians stand first, the extremes in brackets."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"of {', '.join(WHOLE)}; all by default")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    parser.add_argument("--quick", action="store_true", help="with fewer jobs")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    asked = parser.parse_args()
    known = QUICK if asked.quick else WHOLE
    unknown = sorted(set(asked.figures) - set(known))
    if unknown or asked.rounds < 1:
        parser.error(f"no such figure: {', '.join(unknown)}" if unknown else "--rounds is at least 1")
    measured = measure({name: known[name] for name in asked.figures or known}, asked.rounds)
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=2))
    show(measured)


def measure(chosen: Mapping[str, Callable[[], dict[str, float]]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Measure each figure so often, in turns, so that a noisy minute falls on all of them."""
    measured: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in chosen}
    with Console(stderr=True).status("measuring") as status:
        for turn in range(rounds):
            for name, figure in chosen.items():
                status.update(f"round {turn + 1} of {rounds}: {name}")
                for value, number in figure().items():
                    measured[name][value].append(number)
    return measured


def show(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Print the table."""
    table = Table("figure", "value", "median", "min - max")
    for name, values in measured.items():
        for value, numbers in values.items():
            table.add_row(name, value, f"{median(numbers):,.2f}", f"{min(numbers):,.2f} - {max(numbers):,.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
