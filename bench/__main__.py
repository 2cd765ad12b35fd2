"""Measure figures in interleaved rounds: python -m bench [--quick] [--rounds N] [FIGURE ...]."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.catalogue import known, missing
from bench.choosing import choose
from bench.comparing import ratios
from bench.results import machine, page, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def main() -> None:
    """Measure what was asked for and print a table; the medians stand first, the extremes in brackets."""
    parser = _parser()
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error("--rounds is at least 1")
    figures = known(is_quick=asked.quick)
    choice = choose(asked.figures, figures, missing())
    if choice.refusal:
        parser.error(choice.refusal)
    if choice.note:
        print(choice.note, file=sys.stderr)
    began_on = machine()
    measured = measure({name: figures[name] for name in choice.names}, asked.rounds)
    compared = ratios(measured)
    if asked.json:
        asked.json.write_text(json.dumps(measured, indent=2))
    if asked.markdown:
        asked.markdown.write_text(page(measured, compared, began_on))
    show({**measured, **compared})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=main.__doc__)
    names = f"a name, or a pattern such as '*-pgqueuer'; all by default: {', '.join(known(is_quick=False))}"
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=names)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (3)")
    parser.add_argument("--quick", action="store_true", help="with fewer jobs")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    parser.add_argument("--markdown", type=Path, help="also write the tables to this file")
    return parser


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
            table.add_row(name, value, *told(numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
