"""A server that the tests of a module share, and the commands that reach it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.cli.commands import Done, Served, end, gosynq, start


@pytest.fixture(scope="module")
def shared_database_url(postgres: str, administrator: Callable[[str], None], template_database: str) -> Iterator[str]:
    """Give a migrated database that the tests of a module share with their server."""
    name = f"test_{uuid.uuid4().hex}"
    administrator(f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY file_copy")
    yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
    administrator(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def server(shared_database_url: str) -> Iterator[Served]:
    """Run a server with the sample handlers, and with those of the tests."""
    handlers = ("--handlers", "gosynq_server.demo.handlers", "--handlers", "tests.e2e.cli.handlers")
    served = start("serve", "--database-url", shared_database_url, *handlers)
    yield served
    end(served)


@pytest.fixture
def client(server: Served) -> Callable[..., Done]:
    """Give a function that runs a command against the server."""

    def run(*arguments: str, given: str = "") -> Done:
        return gosynq(*arguments, given=given, GOSYNQ_TARGET=server.addresses["grpc"])

    return run


@pytest.fixture
def data_dir(reachable_folder: Path) -> Path:
    """Name a folder for an embedded database."""
    return reachable_folder / f"data-{uuid.uuid4().hex[:8]}"
