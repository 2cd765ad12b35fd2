"""A run as a page of Markdown: what was measured, on what, and our figures against the peers'."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Measured = Mapping[str, Mapping[str, Sequence[float]]]

_NO_FRACTION_FROM = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was measured, and how busy it was with all else; load is the last minute's when the run began."""

    processor: str
    cores: int
    python: str
    load: float


def machine() -> Machine:
    """Return what this machine is."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def page(measured: Measured, ratios: Measured, on: Machine) -> str:
    """Return the page; medians stand first, minimum and maximum in brackets."""
    rounds = max((len(numbers) for values in measured.values() for numbers in values.values()), default=0)
    head = (
        f"# Results\n\nMedians of {rounds} interleaved rounds, minimum and maximum in brackets."
        f" {on.processor}, {on.cores} cores, Python {on.python}; the load was {on.load:.1f} when the run began.\n"
    )
    parts = [head, "\n".join(_table("figure", measured))]
    if ratios:
        parts += ["## Ours divided by the peers'\n\nOf the same round each.\n", "\n".join(_table("figures", ratios))]
    return "\n".join(parts)


def told(numbers: Sequence[float]) -> tuple[str, str]:
    """Return the median and the extremes, of a number of digits that can be read."""
    digits = 0 if median(numbers) >= _NO_FRACTION_FROM else 2
    return f"{median(numbers):,.{digits}f}", f"{min(numbers):,.{digits}f} - {max(numbers):,.{digits}f}"


def _table(title: str, measured: Measured) -> Iterator[str]:
    yield f"| {title} | value | measured |"
    yield "| --- | --- | ---: |"
    for name, values in measured.items():
        for value, numbers in values.items():
            middle, extremes = told(numbers)
            yield f"| {name} | {value} | {middle} ({extremes}) |"
    yield ""


def _processor() -> str:
    """Name the processor as Linux does, or else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
