"""One client over several servers: where its calls go, while servers come and go."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest

from gosynq_client import Client, ClientOptions
from tests.e2e.balancing.replicas import Replica, each, target

CALLS = 60
OK = {"method": "gosynq.v1.JobService/EnqueueJob", "code": "OK"}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def drain_delay() -> str:
    """Let a server that is told to stop be looked at."""
    return "1m"


@pytest.fixture
async def client(replicas: list[Replica]) -> AsyncIterator[Client]:
    options = ClientOptions(health_checked=True)
    async with Client(target(replicas), options) as client:
        yield client


async def ids(replicas: list[Replica]) -> list[str]:
    """Ask each server for its name."""
    names = []
    for replica in replicas:
        async with Client(replica.address) as client:
            names.append((await client.server_info()).server_id)
    return names


async def until_it_asks(client: Client, servers: set[str]) -> None:
    """Return once as many calls in a row as would make three rounds were answered by just these servers."""
    answered: list[str] = []
    while set(answered[-9:]) != servers or len(answered) < 9:
        answered.append((await client.server_info()).server_id)


def evenly(servers: int) -> list[object]:
    """A round begins anew, at any server, where a client finds that another has come or gone."""
    return [pytest.approx(CALLS / servers, abs=3)] * servers


async def counted(client: Client, replicas: list[Replica]) -> list[float]:
    """Make calls, and return how many of them each server has had."""
    before = await each(replicas, "gosynq_rpc_requests_total", **OK)
    for _ in range(CALLS):
        await client.enqueue("letter", queue="balanced")
    after = await each(replicas, "gosynq_rpc_requests_total", **OK)
    return [now - then for now, then in zip(after, before, strict=True)]


async def test_calls_go_round_all_servers(client: Client, replicas: list[Replica]) -> None:
    await until_it_asks(client, set(await ids(replicas)))

    assert await counted(client, replicas) == evenly(3)


async def test_a_server_that_drains_is_asked_no_more_though_it_still_answers(
    client: Client, replicas: list[Replica]
) -> None:
    names = await ids(replicas)
    replicas[0].process.signal(signal.SIGTERM)
    await until_it_asks(client, set(names[1:]))

    assert await counted(client, replicas) == [0, *evenly(2)]
    assert await ids(replicas) == names


async def test_no_call_fails_by_a_server_that_is_killed_and_calls_go_there_again_when_it_is_back(
    client: Client, replicas: list[Replica]
) -> None:
    await until_it_asks(client, set(await ids(replicas)))
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(client.enqueue("letter", queue="balanced")) for _ in range(CALLS)]
        await replicas[0].kill()
    assert len({call.result().id for call in calls}) == CALLS
    assert await counted(client, replicas[1:]) == evenly(2)

    await replicas[0].start()
    await until_it_asks(client, set(await ids(replicas)))
    assert await counted(client, replicas) == evenly(3)
