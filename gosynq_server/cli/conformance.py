"""gosynq conformance: whether a worker program, in any language, keeps the contract."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from gosynq_server.cli import arguments
from gosynq_server.cli.endings import ended_from_outside
from gosynq_server.cli.output import Json, cell, console, print_json, print_table
from gosynq_server.cli.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from gosynq_server.conformance import Case, Examination, Report, Verdict

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
_NAME_WIDTH = 20
_VERDICT_WIDTH = 8


def conformance(  # noqa: PLR0913 - each is an option
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND...", help="What starts the worker.", show_default=False)
    ] = None,
    *,
    only: Annotated[list[str] | None, typer.Option(metavar="CASE", help="Play this case; may be repeated.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the cases and what each expects.")] = False,
    queue: Annotated[str, typer.Option(help="The queue that the worker is told by GOSYNQ_QUEUE.")] = "conformance",
    lease_duration: Annotated[str, typer.Option(metavar="DURATION", help="How long leases last.")] = "3s",
    patience: Annotated[str, typer.Option(metavar="DURATION", help="How long the worker may take over a step.")] = "5s",
    worker_log: Annotated[Path | None, typer.Option(metavar="PATH", help="Append what the worker writes here.")] = None,
    json: Json = False,
) -> None:
    """Run a worker program through the contract's cases; exit with 0 if it passes them all."""
    from gosynq_server.conformance import CASES, Examination, Timing, Verdict  # noqa: PLC0415 - --help shall not wait

    cases = _chosen(CASES, only or [])
    if list_:
        _list(cases, json=json)
        return
    if not command:
        raise typer.BadParameter("it needs the command that starts a worker, after --", param_hint="COMMAND")
    timing = Timing(lease=_length(lease_duration, "--lease-duration"), patience=_length(patience, "--patience"))
    with _log(worker_log) as log:
        examination = Examination(command=command, queue=queue, timing=timing, log=log)
        verdicts = asyncio.run(_examine(examination, cases, json=json))
    if set(verdicts) != {Verdict.PASSED}:
        raise typer.Exit(1)


async def _examine(examination: Examination, cases: Sequence[Case], *, json: bool) -> list[Verdict]:
    from gosynq_server.conformance import examine  # noqa: PLC0415 - --help shall not wait for it

    verdicts = []
    with ended_from_outside(), progress_bar() as bar:
        playing = bar.add_task("playing", total=len(cases))
        async for report in examine(examination, cases):
            bar.advance(playing)
            verdicts.append(report.verdict)
            if json:
                print_json(report)
            else:
                _tell(report)
    return verdicts


def _tell(report: Report) -> None:
    verdict = Text(f"{report.verdict.value:<{_VERDICT_WIDTH}}", style=_STYLES[report.verdict.value])
    line = Text.assemble(
        f"{report.case:<{_NAME_WIDTH}} ", verdict, f" {report.took.total_seconds():5.1f} s  ", cell(report.seen)
    )
    if report.verdict != "passed":
        line.append_text(Text.assemble("\n", " " * (_NAME_WIDTH + 1), "expected: ", cell(report.expected)))
    console().print(line, soft_wrap=True)


def _list(cases: Sequence[Case], *, json: bool) -> None:
    if not json:
        print_table(("CASE", "EXPECTED"), ((case.name, case.expected) for case in cases))
        return
    for case in cases:
        print_json({"case": case.name, "expected": case.expected})


def _chosen(cases: Sequence[Case], names: Sequence[str]) -> Sequence[Case]:
    known = [case.name for case in cases]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint="--only")
    return [case for case in cases if not names or case.name in names]


def _length(text: str, option: str) -> timedelta:
    length = arguments.duration(text, option)
    if not length:
        raise typer.BadParameter("it is above zero", param_hint=option)
    return length


@contextmanager
def _log(path: Path | None) -> Iterator[Path]:
    if path is not None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="gosynq-conformance-") as folder:
        yield Path(folder) / "worker.log"
