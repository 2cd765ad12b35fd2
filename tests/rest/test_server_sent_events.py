"""A watch over HTTP as server-sent events, read as the HTML standard tells an EventSource to."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.rpc import code_pb2

from gosynq.v1 import event_pb2, event_service_pb2, job_pb2
from tests.rest.conftest import Edge
from tests.rest.scripted import OVER, Response, ScriptedEvents, a_response, an_event, failing

WATCH = "/api/v1/events:watch"
JOB_ID = "01900000-0000-7000-8000-000000000001"
TIMEOUT = 5
DRAINING = failing(code_pb2.UNAVAILABLE, "SERVER_DRAINING", "stopping")
ENQUEUED, FAILED, DEAD = (
    an_event("e1", event_pb2.EVENT_TYPE_CREATED),
    an_event("e2", event_pb2.EVENT_TYPE_FAILED),
    an_event("e3", event_pb2.EVENT_TYPE_DEAD_LETTERED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event as a page hears it."""

    name: str
    data: Any
    last_id: str


class EventSource:
    """What a browser keeps over all of its connections: the last id, and when to connect again."""

    def __init__(self, client: httpx.AsyncClient, url: str = WATCH) -> None:
        self.last_id = ""
        self.retry: int | None = None
        self._client = client
        self._url = url

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Told]]:
        """Connect, anew if it was before, and give what is told."""
        headers = {"accept": "text/event-stream", "cache-control": "no-cache"}
        if self.last_id:
            headers["last-event-id"] = self.last_id
        async with self._client.stream("GET", self._url, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            yield self._told(response.aiter_lines())

    async def hear(self) -> list[Told]:
        """Connect, and return all that is told until the stream ends."""
        async with self.connect() as told:
            return [one async for one in told]

    async def _told(self, lines: AsyncIterator[str]) -> AsyncIterator[Told]:
        fields: dict[str, str] = {}
        async for line in lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            self._take(fields)
            if "data" in fields:
                yield Told(name=fields.get("event", "message"), data=json.loads(fields["data"]), last_id=self.last_id)
            fields = {}

    def _take(self, fields: Mapping[str, str]) -> None:
        assert set(fields) <= {"event", "id", "data", "retry"}
        self.last_id = fields.get("id", self.last_id)
        if "retry" in fields:
            self.retry = int(fields["retry"])


@pytest.fixture
def source(caller: httpx.AsyncClient) -> EventSource:
    return EventSource(caller)


async def test_each_job_event_is_told_at_once_under_the_name_of_its_type(
    source: EventSource, events: ScriptedEvents
) -> None:
    events.then(a_response("c1"))
    async with source.connect() as told, asyncio.timeout(TIMEOUT):
        bookmark = await anext(told)
        events.then(a_response("c2", ENQUEUED))
        created = await anext(told)
        events.then(a_response("c3", FAILED, DEAD), OVER)
        rest = [one async for one in told]

    assert (bookmark.name, bookmark.data["cursor"], bookmark.last_id) == ("bookmark", "c1", "c1")
    assert (created.name, created.data["event_id"], created.data["type"]) == ("created", "e1", "created")
    assert [one.name for one in rest] == ["failed", "dead_lettered", "end"]
    assert source.retry == 1000


async def test_only_the_last_event_of_a_response_has_its_cursor_as_id(
    source: EventSource, events: ScriptedEvents
) -> None:
    events.then(a_response("c1"), a_response("c2", ENQUEUED, FAILED, DEAD), DRAINING)

    told = await source.hear()

    # Whoever breaks off after `failed` goes on after c1, and so is sent the whole response again.
    assert [(one.name, one.last_id) for one in told] == [
        ("bookmark", "c1"),
        ("created", "c1"),
        ("failed", "c1"),
        ("dead_lettered", "c2"),
        ("error", "c2"),
    ]


async def test_an_error_is_an_event_after_which_it_goes_on_from_the_last_id(
    source: EventSource, events: ScriptedEvents
) -> None:
    events.then(a_response("c1", ENQUEUED), DRAINING, a_response("c1"), OVER)

    error = (await source.hear())[-1]
    again = await source.hear()

    assert (error.name, error.data["status"], error.data["message"]) == ("error", "UNAVAILABLE", "stopping")
    assert error.data["details"][0]["reason"] == "SERVER_DRAINING"
    assert [seen.request.cursor for seen in events.seen] == ["", "c1"]
    assert again[0].name == "bookmark"


async def test_a_snapshot_is_told_job_by_job_and_has_no_id_before_it_is_complete(
    caller: httpx.AsyncClient, events: ScriptedEvents
) -> None:
    source = EventSource(caller, f"{WATCH}?snapshot=true&queues=high")
    events.then(
        Response(),
        Response(snapshot_jobs=[job_pb2.Job(id="a"), job_pb2.Job(id="b")]),
        Response(cursor="c1", snapshot_jobs=[job_pb2.Job(id="c")], snapshot_complete=True, events=[ENQUEUED]),
        DRAINING,
        a_response("c1"),
        OVER,
    )

    told = await source.hear()
    await source.hear()

    assert [(one.name, one.data.get("id"), one.last_id) for one in told[:-1]] == [
        ("bookmark", None, ""),
        ("snapshot", "a", ""),
        ("snapshot", "b", ""),
        ("snapshot", "c", ""),
        ("snapshot_complete", None, ""),
        ("created", None, "c1"),
    ]
    assert [seen.request for seen in events.seen] == [
        event_service_pb2.WatchEventsRequest(snapshot=True, queues=["high"]),
        event_service_pb2.WatchEventsRequest(cursor="c1", queues=["high"]),
    ]


@pytest.mark.parametrize("start", ["cursor=c1", "snapshot=true", "start_at=2026-01-31T08:00:00Z", "from_oldest=true"])
async def test_the_header_wins_over_whatever_the_url_says_of_where_to_begin(
    caller: httpx.AsyncClient, events: ScriptedEvents, start: str
) -> None:
    events.then(OVER)

    await caller.get(f"{WATCH}?types=created&{start}", headers={"last-event-id": "c2"})

    assert events.seen[0].request == event_service_pb2.WatchEventsRequest(
        cursor="c2", types=[event_pb2.EVENT_TYPE_CREATED]
    )


async def test_an_empty_header_is_none(caller: httpx.AsyncClient, events: ScriptedEvents) -> None:
    events.then(OVER)

    await caller.get(f"{WATCH}?cursor=c1", headers={"last-event-id": ""})

    assert events.seen[0].request.cursor == "c1"


async def test_after_a_good_end_an_event_source_is_told_to_stay_away(
    source: EventSource, caller: httpx.AsyncClient, events: ScriptedEvents
) -> None:
    events.then(a_response("c1"), OVER)

    assert (await source.hear())[-1] == Told(name="end", data={}, last_id="end")
    again = await caller.get(WATCH, headers={"last-event-id": source.last_id})

    assert (again.status_code, again.content) == (204, b"")
    assert len(events.seen) == 1


async def test_the_server_stopping_is_told_as_an_event(source: EventSource, edge: Edge, events: ScriptedEvents) -> None:
    events.then(a_response("c1"))
    async with source.connect() as told, asyncio.timeout(TIMEOUT):
        await anext(told)
        edge.streams.close()
        error = await anext(told)

    assert (error.name, error.data["status"], error.last_id) == ("error", "UNAVAILABLE", "c1")


async def test_a_call_without_a_stream_knows_no_ids(caller: httpx.AsyncClient) -> None:
    headers = {"accept": "text/event-stream", "last-event-id": "end"}
    response = await caller.get(f"/api/v1/jobs/{JOB_ID}", headers=headers)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
async def test_curl_shows_events_as_they_come(edge: Edge, events: ScriptedEvents) -> None:
    events.then(a_response("c1", ENQUEUED))
    command = ["curl", "-sN", "--max-time", "10", "-H", "Accept: text/event-stream", edge.url + WATCH]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT):
        lines = [(await process.stdout.readline()).decode() for _ in range(5)]
        events.then(OVER)
        rest, _ = await process.communicate()

    assert lines[:4] == ["retry: 1000\n", "\n", "event: created\n", "id: c1\n"]
    assert json.loads(lines[4].removeprefix("data: "))["event_id"] == "e1"
    assert rest.decode() == "\nevent: end\nid: end\ndata: {}\n\n"
    assert process.returncode == 0
