"""Streams over several servers: watches and workers move on when theirs drains, and come to one that is there again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from gosynq_client import Client, EventType, JobEvent, JobRequest, JobStatus, Watch
from gosynq_client.remote.subscriptions import QueueSubscription
from gosynq_client.remote.worker import RemoteWorker
from gosynq_client.worker import Handlers, Job
from gosynq_server.rpc.server import RpcOptions, build_server
from tests.e2e.balancing.replicas import Replica, shares, target
from tests.fault.servers import ServerProcess, free_port
from tests.rpc.real import services_of
from tests.service.house import House, open_house

JOBS = 30
WATCHES = 12
WORKERS = 24
"""Each begins at any server: that one of three has none of them happens once in 5,000 times."""

pytestmark = pytest.mark.timeout(60)

handlers = Handlers()


@handlers.register("letter")
async def letter(_job: Job) -> None:
    """Do nothing."""


@asynccontextmanager
async def working(servers: str) -> AsyncIterator[None]:
    """Have the workers at work, each with a connection of its own."""
    workers = [RemoteWorker(servers, handlers, [QueueSubscription(queue="mail")]) for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())
        yield
        for worker in workers:
            worker.stop()


@asynccontextmanager
async def working_apart(servers: str, notes: Path) -> AsyncIterator[None]:
    """Have a worker at work in a process of its own."""
    command = ("worker", "--target", servers, "--handlers", "tests.e2e.worker.handlers", "--queue", "notes")
    process = await ServerProcess.spawn(*command, log=notes.with_suffix(".log"), environment={})
    try:
        await process.ready()
        yield
    finally:
        await process.kill()


@asynccontextmanager
async def watching(client: Client) -> AsyncIterator[list[Watch[JobEvent]]]:
    """Have watches open that have given nothing yet."""
    watches = [client.watch(queues=["mail"], from_oldest=True) for _ in range(WATCHES)]
    async with AsyncExitStack() as stack:
        for watch in watches:
            await stack.enter_async_context(watch)
        yield watches


async def until_all_are_seen(watches: list[Watch[JobEvent]], jobs: set[str]) -> None:
    """Return when each watch has given the end of each of the jobs; an event that comes twice is an error."""

    async def read(watch: Watch[JobEvent]) -> None:
        left = set(jobs)
        while left:
            event = await anext(watch)
            if event.type is EventType.SUCCEEDED:
                left.remove(event.job_id)

    async with asyncio.TaskGroup() as group:
        for watch in watches:
            group.create_task(read(watch))


async def run_jobs(client: Client, watches: list[Watch[JobEvent]]) -> None:
    """Have jobs done, and seen by all who watch."""
    added = await client.enqueue_many([JobRequest("letter", queue="mail") for _ in range(JOBS)])
    await until_all_are_seen(watches, {job.id for job in added})


async def until_streams_begin_at(replica: Replica, client: Client) -> None:
    """Return once a new watch has found a server; the streams of this process's workers share its connection."""
    while not await replica.metric("gosynq_watchers"):
        async with client.watch(snapshot=True, queues=["nothing"]) as watch:
            await anext(watch)
            if await replica.metric("gosynq_watchers"):
                return


async def test_watches_and_workers_leave_a_server_that_stops_and_come_to_one_that_is_back(
    replicas: list[Replica], tmp_path: Path
) -> None:
    servers, notes = target(replicas), tmp_path / "notes"
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(servers))
        # Else all would begin at the one that was connected first.
        for replica in replicas:
            await until_streams_begin_at(replica, client)
        await stack.enter_async_context(working(servers))
        await stack.enter_async_context(working_apart(servers, notes))
        watches = await stack.enter_async_context(watching(client))
        await run_jobs(client, watches)
        for stopping in replicas[:2]:
            others = [replica for replica in replicas if replica is not stopping]
            async with asyncio.TaskGroup() as group:
                group.create_task(stopping.stop())
                group.create_task(run_jobs(client, watches))
            assert min(await shares(others, "gosynq_watchers", total=WATCHES)) > 0
            assert min(await shares(others, "gosynq_worker_sessions", total=WORKERS + 1)) > 0
            await stopping.start()
            await until_streams_begin_at(stopping, client)
        noted = await client.enqueue("noted", {"file": str(notes)}, queue="notes")
        assert (await client.wait(noted.id)).status is JobStatus.COMPLETED


@asynccontextmanager
async def serving(house: House, port: int) -> AsyncIterator[None]:
    """Serve with streams that end after a second."""
    server = build_server(services_of(house), RpcOptions(stream_age=timedelta(seconds=1)))
    server.bind(f"127.0.0.1:{port}")
    await server.start()
    yield
    await server.stop(timedelta())


async def test_a_server_that_is_added_gets_its_share_of_the_streams_by_their_age(database_url: str) -> None:
    first, second = free_port(), free_port()
    servers = f"ipv4:127.0.0.1:{first},127.0.0.1:{second}"
    async with (
        open_house(database_url) as old,
        open_house(database_url) as new,
        serving(old, first),
        Client(servers) as client,
        working(servers),
        watching(client) as watches,
    ):
        await run_jobs(client, watches)
        while (old.workers.session_count, old.watches.count) != (WORKERS, WATCHES):
            await client.server_info()
        async with serving(new, second), asyncio.TaskGroup() as group:
            going_on = group.create_task(until_all_are_seen(watches, {"a job that there is not"}))
            while min(house.workers.session_count for house in (old, new)) < WORKERS / 6:
                await client.server_info()
            while min(house.watches.count for house in (old, new)) < WATCHES / 6:
                await client.server_info()
            going_on.cancel()
