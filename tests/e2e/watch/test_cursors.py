"""Where a watch begins: after a snapshot, after a list, or nowhere, where the cursor is none of the server's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import httpx
import pytest

from gosynq.v1 import event_service_pb2, event_service_pb2_grpc
from gosynq_client import Client, CursorInvalid, EventType, Job, JobEvent, SnapshotBegun, SnapshotComplete
from gosynq_client.statuses import error_of_call
from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.event import Position
from tests.e2e.cli.commands import Served, gosynq_apart

LATER = timedelta(hours=1)
NO_SUCH = "The cursor is none of this database's history; start again with a snapshot."
INVALID = {
    "no cursor": "rubbish",
    "of another database": encode_cursor(Position(1, made_at=1)),
    "of a future": encode_cursor(Position(10**9, made_at=10**15)),
}

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with Client(served.addresses["grpc"]) as client:
        yield client


async def test_a_snapshot_and_the_watch_after_it_tell_all_that_is_to_know(client: Client, queue: str) -> None:
    over = await client.enqueue("word_count", {"text": ""}, queue=queue)
    await client.wait(over.id, timeout=timedelta(seconds=10))
    waiting = [(await client.enqueue("word_count", {"text": ""}, queue=queue, delay=LATER)).id for _ in range(3)]
    async with client.watch(snapshot=True, queues=[queue]) as watch:
        shown = [await anext(watch) for _ in range(5)]
        await client.cancel(waiting[0])
        new = (await client.enqueue("word_count", {"text": ""}, queue=queue, delay=LATER)).id
        # What the snapshot shows may be told again; a job's revision says whether it is.
        known = {item.id: item.revision for item in shown if isinstance(item, Job)}
        told: list[tuple[str, EventType]] = []
        while len(told) < 2:
            event = await anext(watch)
            assert isinstance(event, JobEvent)
            if event.revision > known.get(event.job_id, 0):
                told.append((event.job_id, event.type))

    assert (shown[0], shown[-1]) == (SnapshotBegun(), SnapshotComplete())
    assert known.keys() == set(waiting)
    assert told == [(waiting[0], EventType.CANCELLED), (new, EventType.CREATED)]


async def test_a_watch_goes_on_where_a_list_ended(client: Client, queue: str) -> None:
    ids = [(await client.enqueue("word_count", {"text": ""}, queue=queue, delay=LATER)).id for _ in range(5)]
    listed = client.events(queues=[queue], page_size=2)
    before = [event.job_id async for event in listed]
    for job_id in ids:
        await client.cancel(job_id)

    async with client.watch(queues=[queue], cursor=listed.cursor) as watch:
        after = [await anext(watch) for _ in ids]

    assert before == ids
    assert [(event.job_id, event.type) for event in after] == [(job_id, EventType.CANCELLED) for job_id in ids]


@pytest.mark.parametrize("cursor", INVALID.values(), ids=INVALID)
async def test_a_cursor_that_is_none_of_the_server_s_is_refused_over_grpc(served: Served, cursor: str) -> None:
    async with grpc.aio.insecure_channel(served.addresses["grpc"]) as channel:
        watch = event_service_pb2_grpc.EventServiceStub(channel).WatchEvents
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anext(aiter(watch(event_service_pb2.WatchEventsRequest(cursor=cursor))))

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error_of_call(refused.value).reason, refused.value.details()) == ("CURSOR_INVALID", NO_SUCH)


async def test_the_client_raises_it(client: Client) -> None:
    with pytest.raises(CursorInvalid, match="start again with a snapshot"):
        await anext(client.watch(cursor=INVALID["of a future"]))


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
@pytest.mark.parametrize("where", ["cursor", "Last-Event-ID"])
def test_it_is_refused_over_rest(served: Served, accept: str, where: str) -> None:
    cursor = INVALID["of a future"]
    query, headers = (f"?cursor={cursor}", {}) if where == "cursor" else ("", {where: cursor})
    url = f"http://{served.addresses['http']}/api/v1/events:watch{query}"

    refused = httpx.get(url, headers=headers | {"Accept": accept})

    assert (refused.status_code, refused.json()["message"]) == (400, NO_SUCH)
    assert refused.json()["details"][0]["reason"] == "CURSOR_INVALID"


def test_the_command_tells_it_in_one_line(served: Served) -> None:
    done = gosynq_apart("watch", "--cursor", "rubbish", GOSYNQ_TARGET=served.addresses["grpc"])

    assert (done.status, done.out, done.error) == (1, "", f"gosynq: {NO_SUCH}\n")


def test_the_command_tells_a_program_its_reason(served: Served) -> None:
    done = gosynq_apart("watch", "--cursor", "rubbish", "--json", GOSYNQ_TARGET=served.addresses["grpc"])

    assert json.loads(done.error)["error"]["reason"] == "CURSOR_INVALID"


def test_an_empty_cursor_is_refused_and_does_not_begin_now(served: Served) -> None:
    done = gosynq_apart("watch", "--cursor", "", GOSYNQ_TARGET=served.addresses["grpc"])

    assert (done.status, done.out) == (1, "")
    assert done.error.startswith("gosynq: cursor: must be at least 1 characters")
