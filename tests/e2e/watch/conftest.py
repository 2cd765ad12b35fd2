"""A server with its own database that all tests share which leave it alone."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.commands import Served, end, start

HANDLERS = ("--handlers", "gosynq_client.examples.handlers")


@pytest.fixture(scope="session")
def served(reachable_folder: Path) -> Iterator[Served]:
    served = start("up", "--data-dir", str(reachable_folder / "watched"), *HANDLERS)
    yield served
    end(served)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's account can enter; one that outlives a failed test does not stand in its way."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-watch-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def queue() -> str:
    """Name a queue of the test's own."""
    return f"queue-{uuid.uuid4().hex[:8]}"
