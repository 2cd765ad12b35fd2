"""The pages about commands: each command that stands there is one, with every option that it has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gosynq_server.cli import run

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/command-line.md", "docs/queues.md")
COMMANDS = [
    line
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_a_page_is_one(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *arguments = shlex.split(line)

    # --help keeps it from being run, but not from being parsed.
    status = run([*arguments, "--help"])

    assert (program, status, capsys.readouterr().err) == ("gosynq", 0, "")
