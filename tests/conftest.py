"""The databases that tests run on: one throw-away server per session, one fresh database per test."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

from gosynq_server.embedded import EmbeddedPostgres
from gosynq_server.store.migrations import find_migrations_folder, load_migrations, migrate_up

Run: TypeAlias = Callable[[Awaitable[Any]], Any]
POSTGRES_BIN = os.environ.get("GOSYNQ_TEST_POSTGRES_BIN")
"""Where another PostgreSQL's programs are, to test on instead of the embedded one."""


def pytest_report_header() -> str:
    return f"PostgreSQL: {POSTGRES_BIN or 'embedded'}"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Take back what a command that ran in this process made of logging: its stream is closed by the next test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def run_apart() -> Iterator[Run]:
    """Run a coroutine on a loop of the session's own, so that the database fixtures serve sync and async tests."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        yield lambda awaitable: runner.run(_await(awaitable))


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's own account can enter, which pytest's private ones keep out under root."""
    folder = Path(tempfile.mkdtemp(prefix="gosynq-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(run_apart: Run, reachable_folder: Path) -> Iterator[str]:
    """Run one server for the session and give its address."""
    server = EmbeddedPostgres(
        data_dir=reachable_folder / "postgres", durable=False, bin_dir=Path(POSTGRES_BIN) if POSTGRES_BIN else None
    )
    yield run_apart(server.start())
    run_apart(server.stop())


@pytest.fixture(scope="session")
def administrator(run_apart: Run, postgres: str) -> Iterator[Callable[[str], None]]:
    """Give a function that executes one statement on the server, outside of any test's database."""
    connection = run_apart(asyncpg.connect(postgres))
    yield lambda statement: run_apart(connection.execute(statement))
    run_apart(connection.close())


@pytest.fixture(scope="session")
def template_database(run_apart: Run, postgres: str, administrator: Callable[[str], None]) -> str:
    """Make the database, with the repository's migrations in it, that every test's own is copied from."""
    administrator("CREATE DATABASE gosynq_template")
    run_apart(_migrate(urlsplit(postgres)._replace(path="/gosynq_template").geturl()))
    return "gosynq_template"


@pytest.fixture
def database_name(administrator: Callable[[str], None], template_database: str) -> Iterator[str]:
    """Make a fresh, migrated database for one test and give its name."""
    name = f"test_{uuid.uuid4().hex}"
    administrator(f"CREATE DATABASE {name} TEMPLATE {template_database} STRATEGY file_copy")
    yield name
    administrator(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def database_url(postgres: str, database_name: str) -> str:
    """Give the address of the test's own database."""
    return urlsplit(postgres)._replace(path=f"/{database_name}").geturl()


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await migrate_up(connection, load_migrations(find_migrations_folder()))
    finally:
        await connection.close()


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
