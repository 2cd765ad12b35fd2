"""Three servers on one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.balancing.replicas import Replica


@pytest.fixture
def drain_delay() -> str:
    """Say how long the servers go on when they are told to stop."""
    return "0s"


@pytest.fixture
async def replicas(database_url: str, drain_delay: str, tmp_path: Path) -> AsyncIterator[list[Replica]]:
    """Give three that serve."""
    arguments = ("--pool-size", "3", "--drain-delay", drain_delay)
    replicas = [
        Replica(database_url=database_url, log=tmp_path / f"server-{number}.log", arguments=arguments)
        for number in range(3)
    ]
    try:
        async with asyncio.TaskGroup() as group:
            for replica in replicas:
                group.create_task(replica.start())
        yield replicas
    finally:
        for replica in replicas:
            await replica.kill()
