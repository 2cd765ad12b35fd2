"""One server without handlers that the programs of all languages share, each test with a queue of its own."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gosynq_client import Client
from tests.e2e.cli.commands import Served, end, start
from tests.e2e.clients.examples import COMMANDS, Examples


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-clients-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def served(reachable_folder: Path) -> Iterator[Served]:
    served = start("up", "--data-dir", str(reachable_folder / "clients"))
    yield served
    end(served)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.addresses["grpc"]) as client:
        yield client


@pytest.fixture(params=COMMANDS)
def language(request: pytest.FixtureRequest) -> str:
    language: str = request.param
    return language


@pytest.fixture
def examples(served: Served, language: str) -> Examples:
    return Examples(language=language, target=served.addresses["grpc"], queue=f"queue-{uuid.uuid4().hex[:8]}")
