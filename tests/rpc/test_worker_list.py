"""Workers at two servers over one database: listed, drained and replaced wherever they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import pytest

from gosynq.v1 import admin_service_pb2, worker_pb2
from gosynq.v1.admin_service_pb2_grpc import AdminServiceStub
from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_server.maintenance.loop import repeat
from gosynq_server.rpc.server import RpcOptions, build_server
from gosynq_server.service.replicas import Replicas
from gosynq_server.service.wakeups import Signal
from tests.rpc.real import services_of
from tests.rpc.refusals import refusal_of
from tests.rpc.talking import Talk, done, opened
from tests.service.house import PATIENCE_SECONDS, House, open_house

LIST, DRAIN = admin_service_pb2.ListWorkersRequest, admin_service_pb2.DrainWorkerRequest
ACTIVE, DRAINING = worker_pb2.WORKER_STATE_ACTIVE, worker_pb2.WORKER_STATE_DRAINING


class Place:
    """A server, as its callers reach it."""

    def __init__(self, house: House, channel: grpc.aio.Channel) -> None:
        self.house = house
        self.workers: Any = WorkerServiceStub(channel)
        self.admin: Any = AdminServiceStub(channel)


@asynccontextmanager
async def _a_place(url: str) -> AsyncIterator[Place]:
    async with open_house(url) as house, asyncio.TaskGroup() as tasks:
        replicas = Replicas(house.database, server_id=house.server_id, here=house.wakeups, on_tick=Signal().set)
        house.wakeups.add(replicas)
        parts = (replicas.send(), replicas.listen(), repeat(house.registrar, signal=house.registrar.signal))
        running = [tasks.create_task(part) for part in parts]
        server = build_server(services_of(house), RpcOptions())
        port = server.bind("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Place(house, channel)
        await server.stop(timedelta())
        for task in running:
            task.cancel()


@pytest.fixture
async def places(database_url: str) -> AsyncIterator[list[Place]]:
    """Give two servers that hear of each other."""
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(_a_place(database_url)) for _ in range(2)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await _listening(places[0].house) < len(places):
                pass
        yield places


async def _listening(house: House) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'"
    return int(await house.sql.fetchval(query))


async def _end_of(talk: Talk) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await refusal_of(talk.call.read())


async def test_workers_of_all_servers_are_listed_by_any(places: list[Place]) -> None:
    here, there = places
    runtime = worker_pb2.WorkerRuntime(sdk="s 1", language="l 2", build="b", host="h")
    first, _ = await opened(here.workers, worker_id="a", kinds=["send"], runtime=runtime, max_in_flight=3)
    second, _ = await opened(there.workers, worker_id="b", queues=["other"])

    page = await here.admin.ListWorkers(LIST())
    of_queue = await here.admin.ListWorkers(LIST(queue="other"))

    assert [(worker.worker_id, worker.state, worker.server_id) for worker in page.workers] == [
        ("a", ACTIVE, here.house.server_id),
        ("b", ACTIVE, there.house.server_id),
    ]
    told = page.workers[0]
    assert (told.runtime, list(told.kinds)) == (runtime, ["send"])
    assert [(queue.queue, queue.weight, queue.HasField("max_in_flight")) for queue in told.queues] == [("q", 1, False)]
    assert [worker.worker_id for worker in of_queue.workers] == ["b"]
    for talk in (first, second):
        await talk.leave()
    assert len((await here.admin.ListWorkers(LIST())).workers) == 0


async def test_a_worker_is_told_to_stop_by_a_call_at_another_server_and_finishes(places: list[Place]) -> None:
    here, there = places
    await here.house.add()
    talk, _ = await opened(here.workers, max_in_flight=1)
    leases = await talk.granted(1)

    response = await there.admin.DrainWorker(DRAIN(worker_id="w-1", reason="a new version"))

    assert (response.worker.state, response.worker.in_flight) == (DRAINING, 1)
    notice = await talk.hear("go_away")
    assert (notice.stop, notice.reason, notice.HasField("grace")) == (True, "a new version", False)
    await talk.say(results=done(*leases))
    await talk.hear("result_acks")
    await talk.leave()


async def test_a_stream_ends_when_its_worker_says_hello_at_another_server(places: list[Place]) -> None:
    here, there = places
    old, _ = await opened(here.workers)
    new, _ = await opened(there.workers)

    refusal = await _end_of(old)

    assert (refusal.code, refusal.reason, refusal.metadata) == ("ABORTED", "SESSION_REPLACED", {"worker_id": "w-1"})
    await there.house.add()
    await new.say(flow_control={"max_in_flight": 1})
    assert len(await new.granted(1)) == 1
    new.call.cancel()


async def test_nobody_drains_a_worker_that_there_is_not(places: list[Place]) -> None:
    refusal = await refusal_of(places[0].admin.DrainWorker(DRAIN(worker_id="nobody")))

    assert (refusal.code, refusal.reason, refusal.metadata) == (
        "NOT_FOUND",
        "WORKER_NOT_FOUND",
        {"worker_id": "nobody"},
    )


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (LIST(queue="no queue"), "queue"),
        (LIST(page_size=-1), "page_size"),
        (LIST(page_token="\0"), "page_token"),
        (DRAIN(), "worker_id"),
        (DRAIN(worker_id="w", reason="\0"), "reason"),
        (DRAIN(worker_id="w", reason="r" * 1025), "reason"),
    ],
)
async def test_bad_input_names_the_field(places: list[Place], request_: Any, field: str) -> None:
    call = places[0].admin.ListWorkers if isinstance(request_, LIST) else places[0].admin.DrainWorker
    refusal = await refusal_of(call(request_))
    assert (refusal.code, refusal.fields) == ("INVALID_ARGUMENT", (field,))
