"""The README's programs and commands, run as they stand against a server started as it says, on free ports."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages import GOSYNQ, Served, fenced, serving
from tests.e2e.programs import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
(PROGRAM,) = fenced(README, "python")
SHELL = "".join(fenced(README, "sh")).replace("\\\n", " ")
REQUESTS = re.findall(r"^(?:grpcurl|curl) .*$", SHELL, flags=re.MULTILINE)

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(PROGRAM) as served:
        yield served


@pytest.fixture(scope="module")
def waiting_job(served: Served) -> str:
    """Enqueue a job that does not start, and give its id."""
    command: list[str | Path] = [
        GOSYNQ,
        "enqueue",
        "word_count",
        '{"text": ""}',
        "--delay",
        "1h",
        "--target",
        served.grpc,
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]


def test_the_program_prints_what_the_readme_says(served: Served) -> None:
    (said,) = re.findall(r"^python app\.py +# (.*)$", SHELL, flags=re.MULTILINE)
    program = served.folder / "located.py"
    program.write_text(served.located(PROGRAM), encoding="utf-8")
    done = subprocess.run([sys.executable, program], check=False, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (said, "")


@pytest.mark.parametrize("line", REQUESTS)
def test_a_request_is_answered(served: Served, waiting_job: str, line: str) -> None:
    program, *arguments = shlex.split(served.located(line).replace("JOB_ID", waiting_job))
    options = ["--silent", "--show-error", "--fail-with-body"] if program == "curl" else []
    assert run(program, *options, *arguments)
