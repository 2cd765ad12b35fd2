"""A watch on a terminal: the last events in a live table, how many came of each type, and the lag."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gosynq_server.cli.output import cell
from gosynq_server.cli.watch_output import row

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from gosynq_client import WatchItem
    from gosynq_server.cli.watch_output import Place, Row

_COLUMNS = ("TIME", "TYPE", "JOB", "QUEUE", "KIND", "STATUS", "DETAIL")
_OTHER_LINES = 4
_PAUSE = 0.1
"""How long what comes is gathered before the terminal is drawn anew, which takes some milliseconds."""


class WatchScreen:
    """Shows what comes; to be used in `with`, where the event loop runs."""

    def __init__(self, console: Console) -> None:
        # What is said on standard error goes above the table, unless it goes elsewhere altogether.
        self._live = Live(console=console, auto_refresh=False, redirect_stderr=sys.stderr.isatty())
        self._rows: deque[Row] = deque(maxlen=max(console.height - _OTHER_LINES, 1))
        self._counts: Counter[str] = Counter()
        self._lag: timedelta | None = None
        self._drawing: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._live.start()
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing:
            self._drawing.cancel()
        self._draw()
        self._live.stop()

    def show(self, item: WatchItem, place: Place) -> None:
        """Take in what came; it is drawn soon after."""
        from gosynq_client import Job, JobEvent, SnapshotBegun  # noqa: PLC0415 - --help shall not wait for gRPC

        match item:
            case SnapshotBegun():
                self._rows.clear()
            case Job():
                self._rows.append(row(item))
            case JobEvent():
                self._rows.append(row(item))
                self._counts[item.type.value] += 1
                self._lag = place.server_time - item.timestamp if place.server_time else None
            case _:
                pass
        if self._drawing is None:
            self._drawing = asyncio.get_running_loop().call_later(_PAUSE, self._draw)

    def _draw(self) -> None:
        self._drawing = None
        self._live.update(Group(_table(self._rows), Text(self._summary(), style="dim")), refresh=True)

    def _summary(self) -> str:
        if not self._counts:
            return "no event yet; Ctrl-C ends the watch"
        counts = ", ".join(f"{count} {type_}" for type_, count in self._counts.most_common())
        lag = "" if self._lag is None else f"; the last was sent {self._lag.total_seconds():.3f} s after it happened"
        return f"{self._counts.total()} events: {counts}{lag}"


def _table(rows: Iterable[Row]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for moment, *rest in rows:
        table.add_row(f"{moment:%H:%M:%S.%f}"[:-3], *(cell(text) for text in rest))
    return table
