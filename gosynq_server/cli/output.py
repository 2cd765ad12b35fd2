"""What commands print: lines and tables for people, one JSON document a line for programs."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gosynq_server.config.durations import format_duration
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]

_NARROWEST_COLUMN = 10
_PADDING = 2


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    typer.echo(as_json_line(value))


def as_json_line(value: object) -> str:
    """Write a value as one line of JSON; moments as RFC 3339, lengths in seconds, bytes in base64."""
    return json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))


def print_line(text: str) -> None:
    """Print one line for a person, whatever is in it."""
    typer.echo(printable(text))


def console(*, to_error: bool = False) -> Console:
    """Open the terminal; where there is none, lines are not wrapped to the width of one."""
    opened = Console(stderr=to_error, highlight=False)
    return opened if opened.is_terminal else Console(stderr=to_error, highlight=False, width=max(opened.width, 200))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table, numbers to the right; only the last column is cut where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = console()
    lines = list(rows)
    cells = [[cell(value) for value in row] for row in lines]
    left = shown.width
    for place, column in enumerate(columns):
        numbers = lines and all(isinstance(row[place], int | float) for row in lines)
        width = max([len(column), *(row[place].cell_len for row in cells)])
        # The last one gets what is left, or all columns would be cut alike.
        width = width if place < len(columns) - 1 else min(width, max(left, _NARROWEST_COLUMN))
        table.add_column(column, no_wrap=True, overflow="ellipsis", justify="right" if numbers else "left", width=width)
        left -= width + _PADDING
    for row in cells:
        table.add_row(*row)
    shown.print(table)


def print_fields(named: Mapping[str, object]) -> None:
    """Print what is there of some named values, one a line."""
    width = max(len(name) for name in named)
    for name, value in named.items():
        if value not in (None, "", {}, ()):
            typer.echo(f"{name:<{width}}  {cell(value).plain}")


def cell(value: object) -> Text:
    """Write a value for a person; markup in it stays text."""
    match value:
        case None:
            return Text("-")
        case datetime():
            return Text(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3])
        case timedelta():
            return Text(format_duration(value))
        case str():
            return Text(printable(value))
        case _:
            return Text(printable(json.dumps(as_json(value), ensure_ascii=False)))


def as_json(value: object) -> object:
    """Turn a value, dataclasses and what is in them included, into what JSON holds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: as_json(getattr(value, each.name)) for each in fields(value)}
    if hasattr(value, "items"):
        return {str(name): as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return _scalar(value)


def _scalar(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case _:
            return str(value)
