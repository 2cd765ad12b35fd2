"""A database that is not there yet, or has no room left."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_client import DatabaseUnavailable
from gosynq_client.health import Health, check_health
from gosynq_server.domain.job import JobStatus
from gosynq_server.embedded import EmbeddedPostgres
from tests.fault.checker import check
from tests.fault.conftest import Chronicle, Launch
from tests.fault.judging import LIMITS, POOL, client_of, stop, tables_of
from tests.fault.load import Load, drain
from tests.fault.servers import PATIENCE, free_port

_MEBIBYTE = 1024 * 1024
_ROOM = 8 * _MEBIBYTE
_BIG = 100_000


@pytest.mark.timeout(60)
async def test_a_server_that_starts_before_its_database_waits_for_it(
    launch: Launch, data_dir: Path, chronicle: Chronicle, random: Random
) -> None:
    database = EmbeddedPostgres(data_dir=data_dir)
    url = await _address_of(database)
    grpc_address, health_address = (f"127.0.0.1:{free_port()}" for _ in range(2))
    ports = ("--grpc-port", grpc_address.split(":")[1], "--health-port", health_address.split(":")[1])
    server = await launch("serve", "--database-url", url, "--auto-migrate", *ports, *POOL)
    async with _health_of(health_address) as statuses, client_of(grpc_address) as client:
        assert await anext(statuses) == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(DatabaseUnavailable):
            await client.enqueue("quick")
        await database.start()
        try:
            assert await anext(statuses) == health_pb2.HealthCheckResponse.SERVING
            await server.ready()
            await Load(client=client, journal=chronicle.journal, random=random).enqueue("quick", "quick", {})
            await drain(client)
            await stop(server)
        finally:
            await database.stop()
    tables = await tables_of(data_dir)
    assert check(chronicle.read(), tables, LIMITS) == []
    assert [job.status for job in tables.jobs] == [JobStatus.COMPLETED]


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 200 MB; skip where that is not allowed."""
    disk = folder / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("there is no mount program")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=200m,mode=755", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system can't be mounted: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture
def small_database(small_disk: Path, initialized: Path, folder: Path) -> Path:
    """Put an embedded database on the small disk, and its write-ahead log elsewhere: without it PostgreSQL gives up."""
    database = small_disk / "database"
    subprocess.run(["cp", "-pR", initialized, database], check=True)
    log = database / "data" / "pg_wal"
    subprocess.run(["mv", log, folder / "pg_wal"], check=True)
    log.symlink_to(folder / "pg_wal")
    return database


@pytest.mark.timeout(90)
async def test_a_full_database_refuses_new_jobs_and_goes_on_when_room_is_made(
    small_database: Path, launch: Launch, chronicle: Chronicle, random: Random
) -> None:
    server = await (await launch("up", "--data-dir", str(small_database), *POOL)).ready()
    async with client_of(server.addresses["grpc"]) as client:
        load = Load(client=client, journal=chronicle.journal, random=random)
        first = await load.enqueue("slow", "first", {"seconds": 0.1})
        ballast = _fill(small_database.parent)
        await load.fill("quick", {"filler": secrets.token_hex(_BIG)}, until="STORAGE_FULL")
        assert (await client.wait(first)).id == first
        assert await check_health(server.addresses["health"]) is Health.SERVING
        ballast.unlink()
        await load.enqueue("quick", "afterwards", {"filler": secrets.token_hex(_BIG)})
        await drain(client)
    await stop(server)
    history, tables = chronicle.read(), await tables_of(small_database)
    assert check(history, tables, LIMITS) == []
    assert load.reasons.keys() == {"STORAGE_FULL"}


def _fill(disk: Path) -> Path:
    """Leave only a little room on a disk; return the file that takes the rest."""
    ballast = disk / "ballast"
    state = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, state.f_bavail * state.f_frsize - _ROOM)
    return ballast


async def _address_of(database: EmbeddedPostgres) -> str:
    url = await database.start()
    await database.stop()
    return url


@asynccontextmanager
async def _health_of(address: str) -> AsyncIterator[AsyncIterator[int]]:
    """Give the statuses that a server shows, from its first word on."""
    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(PATIENCE):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True)

        async def statuses() -> AsyncIterator[int]:
            async for answer in watch:
                yield answer.status

        yield statuses()
