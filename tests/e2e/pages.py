"""A page's commands and programs, and a server for them, started as the README says but on free ports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GOSYNQ = Path(sys.executable).with_name("gosynq")
_USUAL = {"grpc": 50051, "http": 8080, "metrics": 9090, "health": 50052}


def fenced(page: str, language: str) -> list[str]:
    """Give what stands in a page's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running server that has the handlers of a program, in the folder of the program."""

    folder: Path
    addresses: dict[str, str]

    @property
    def grpc(self) -> str:
        return self.addresses["grpc"]

    @property
    def database_url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}/data/data"

    def located(self, text: str) -> str:
        """Put this server's addresses where a page has the usual ones."""
        for name, port in _USUAL.items():
            text = text.replace(f"localhost:{port}", self.addresses[name])
        return text


@contextmanager
def serving(program: str) -> Iterator[Served]:
    """Run `gosynq up --handlers app`, app being the program, on free ports inside the block."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-pages-"))
    # Under root PostgreSQL runs as another user, who must reach its folder; pytest's own folders are private.
    folder.chmod(0o755)
    (folder / "app.py").write_text(program, encoding="utf-8")
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
    ports = [f"--{name}-port=0" for name in _USUAL]
    with subprocess.Popen([*command, *ports], cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline(), "the server ended before it served"
            addresses = json.loads((folder / "ready.json").read_text(encoding="utf-8"))
            yield Served(folder=folder, addresses=addresses)
        finally:
            server.terminate()
    shutil.rmtree(folder)
