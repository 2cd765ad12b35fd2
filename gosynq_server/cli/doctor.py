"""gosynq doctor: examine what a server needs, and say what to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from gosynq_server.cli.database import database
from gosynq_server.cli.imports import import_from_here
from gosynq_server.cli.options import configured
from gosynq_server.cli.output import Json, cell, console, print_json
from gosynq_server.cli.progress import progress_bar
from gosynq_server.config import Config

if TYPE_CHECKING:
    from gosynq_server.doctor import Finding

_STYLES = {"fine": "green", "warning": "yellow", "wrong": "bold red"}


@configured(Config)
def doctor(config: Config, *, json: Json = False) -> None:
    """Examine database, clock, ports, schema and handlers; exit with 1 if anything is wrong."""
    from gosynq_server.doctor import Verdict  # noqa: PLC0415 - --help shall not wait for the server

    import_from_here()
    findings = asyncio.run(_examine(config, json=json))
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise typer.Exit(1)


async def _examine(config: Config, *, json: bool) -> list[Finding]:
    from gosynq_server.doctor import examine  # noqa: PLC0415 - --help shall not wait for the server

    findings = []
    with progress_bar() as bar:
        bar.add_task("examining", total=None)
        async for finding in examine(config, database(config)):
            findings.append(finding)
            if json:
                print_json(finding)
            else:
                _tell(finding)
    return findings


def _tell(finding: Finding) -> None:
    verdict = Text(f"{finding.verdict.value:<8}", style=_STYLES[finding.verdict.value])
    line = Text.assemble(verdict, f"{finding.check:<18} ", cell(finding.message))
    if finding.advice:
        line.append_text(Text.assemble("\n", " " * 27, "-> ", cell(finding.advice)))
    console().print(line, soft_wrap=True)
