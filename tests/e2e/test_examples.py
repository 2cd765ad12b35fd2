"""The client's examples, run as they stand against a server that has their handlers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

GOSYNQ = Path(sys.executable).with_name("gosynq")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """Run `gosynq up` with the examples' handlers on free ports; give its address of gRPC."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-examples-"))
    # Under root PostgreSQL runs as another user, who must reach its folder; pytest's own folders are private.
    folder.chmod(0o755)
    command: list[str | Path] = [GOSYNQ, "up", "--handlers", "gosynq_client.examples.handlers"]
    places: list[str | Path] = ["--data-dir", folder / "data", "--ready-file", folder / "ready.json"]
    ports = [f"--{name}-port=0" for name in ("grpc", "http", "metrics", "health")]
    with subprocess.Popen([*command, *places, *ports], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline(), "the server ended before it served"
            yield json.loads((folder / "ready.json").read_text(encoding="utf-8"))["grpc"]
        finally:
            server.terminate()
    shutil.rmtree(folder)


@pytest.mark.parametrize("example", ["enqueue_and_wait", "batch_and_list", "handlers", "watch_a_job"])
def test_an_example_runs_to_its_end(example: str, target: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"gosynq_client.examples.{example}"],
        env={**os.environ, "GOSYNQ_TARGET": target},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "completed" in done.stdout


def test_an_example_without_a_server_ends_in_one_line() -> None:
    command = [sys.executable, "-m", "gosynq_client.examples.enqueue_and_wait", "127.0.0.1:1"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("UNAVAILABLE: ")
