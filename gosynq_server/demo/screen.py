"""What the demonstration shows: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from gosynq_server.demo.summary import KindCounts, count_kinds
from gosynq_server.telemetry.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from rich.console import Console

    from gosynq_client import Job
    from gosynq_server.demo.server import RunningServer
    from gosynq_server.demo.summary import Latency, Summary

_COLUMNS = ("jobs", "pending", "processing", "completed", "failed", "cancelled", "retries")


class Screen:
    """Shows jobs as they stand; to be used in `with`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said = ""

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, jobs: Sequence[Job]) -> None:
        """Show the counts by kind; where there is no terminal, one line whenever they change."""
        kinds = count_kinds(jobs)
        if self._live:
            self._live.update(_table(kinds), refresh=True)
            return
        line = f"{sum(counts.done for counts in kinds)} of {len(jobs)} jobs are over"
        if line != self._said:
            self._console.print(line)
            self._said = line


def print_summary(console: Console, summary: Summary) -> None:
    """Print the figures, and every surprise."""
    if not console.is_terminal:
        console.print(_table(summary.kinds))
    console.print(
        f"\n{summary.jobs} jobs in {summary.seconds:.1f} s, {summary.retries} of their attempts being retries.\n"
        f"Jobs that run once, and at once: {summary.jobs_per_second:.0f} a second; "
        f"from enqueue to start {_told(summary.wait)}.\n"
        f"One job at a time, from the call to the result: {_told(summary.alone)}."
    )
    for surprise in summary.surprises:
        console.print(f"[bold red]not as planned:[/] {escape(printable(surprise))}", soft_wrap=True)
    if not summary.surprises:
        console.print("[bold green]Every job ended as planned.[/]")


def print_next_steps(console: Console, server: RunningServer) -> None:
    """Print what to try on the server that goes on serving."""
    job = '{"job": {"queue": "default", "kind": "cleanup_task", "payload": {"files": 5}}}'
    body = '{"queue": "high", "payload": {"task": "email_notification", "to": "you@example.org"}, "priority": "high"}'
    gosynq = "gosynq" if shutil.which("gosynq") else sys.argv[0]
    lines = (
        f'{gosynq} enqueue word_count \'{{"path": "gosynq_server/__main__.py"}}\' --wait --target {server.grpc}',
        f"{gosynq} jobs list --status failed --target {server.grpc}",
        f"grpcurl -plaintext {server.grpc} list",
        f"grpcurl -plaintext -d '{job}' {server.grpc} gosynq.v1.JobService/EnqueueJob",
        f"curl -d '{body}' http://{server.http}/api/v1/jobs",
        f"curl http://{server.metrics}/metrics",
    )
    console.print(
        f"\nThe server goes on; its log is {server.log}. Try, in another terminal:\n", soft_wrap=True, markup=False
    )
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
    console.print("\nCtrl-C stops it.")


def _table(kinds: Sequence[KindCounts]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    table.add_column("kind", footer="all")
    for column in _COLUMNS:
        table.add_column(column, justify="right", footer=str(sum(getattr(counts, column) for counts in kinds)))
    for counts in kinds:
        table.add_row(counts.kind, *(str(getattr(counts, column)) for column in _COLUMNS))
    return table


def _told(latency: Latency) -> str:
    p50, p99 = (each.total_seconds() * 1000 for each in (latency.p50, latency.p99))
    return f"{p50:.1f} ms (half of them), {p99:.1f} ms (99 of 100)"
