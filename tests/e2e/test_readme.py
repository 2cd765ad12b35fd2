"""The README's programs and commands, run as they stand against a server started as it says, on free ports."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.programs import run

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
GOSYNQ = Path(sys.executable).with_name("gosynq")
(PROGRAM,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
SHELL = "".join(re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)).replace("\\\n", " ")
REQUESTS = re.findall(r"^(?:grpcurl|curl) .*$", SHELL, flags=re.MULTILINE)

pytestmark = pytest.mark.timeout(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server that has the README's handler, in the folder of its program."""

    folder: Path
    grpc: str
    http: str

    def located(self, text: str) -> str:
        """Put this server's addresses where the README has the usual ones."""
        return text.replace("localhost:50051", self.grpc).replace("localhost:8080", self.http)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Run `gosynq up --handlers app` on free ports, until the tests are done."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-readme-"))
    # Under root PostgreSQL runs as another user, who must reach its folder; pytest's own folders are private.
    folder.chmod(0o755)
    (folder / "app.py").write_text(PROGRAM, encoding="utf-8")
    command: list[str | Path] = [
        GOSYNQ,
        "up",
        "--handlers",
        "app",
        "--data-dir",
        folder / "data",
        "--ready-file",
        folder / "ready.json",
    ]
    ports = [f"--{name}-port=0" for name in ("grpc", "http", "metrics", "health")]
    with subprocess.Popen([*command, *ports], cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline(), "the server ended before it served"
            addresses = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
            yield Served(folder=folder, grpc=addresses["grpc"], http=addresses["http"])
        finally:
            server.terminate()
    shutil.rmtree(folder)


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
