"""Watches and lists of events over a real server and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from gosynq.v1 import event_pb2, event_service_pb2_grpc
from gosynq.v1.event_service_pb2 import ListEventsRequest, WatchEventsRequest, WatchEventsResponse
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.cursors import decode_cursor, encode_cursor
from gosynq_server.rpc.convert_events import watch_query_of
from gosynq_server.rpc.encoded_events import EncodedEvents
from gosynq_server.rpc.events import EventServicer
from gosynq_server.rpc.interceptors import CallInterceptor
from gosynq_server.rpc.server import RpcOptions, RpcServer, build_server
from gosynq_server.rpc.watch_responses import WatchResponses
from gosynq_server.rpc.watch_stream import Unobserved, WatchStream
from tests.rpc.real import services_of
from tests.rpc.refusals import Refusal, refusal_of
from tests.service.house import HOUR, PATIENCE_SECONDS, House, open_house
from tests.service.watching import let_all_happen

Stub: TypeAlias = "event_service_pb2_grpc.EventServiceAsyncStub"
Watch: TypeAlias = Any

MANY_BYTES = 100_000


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with open_house(database_url) as opened:
        yield opened


@asynccontextmanager
async def _serving(house: House, **options: Any) -> AsyncIterator[tuple[RpcServer, Stub]]:
    services = services_of(house)
    server = build_server(services, RpcOptions(**options))
    port = server.bind("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield server, event_service_pb2_grpc.EventServiceStub(channel)
    await server.stop(timedelta())


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    async with _serving(house) as (_, stub):
        yield stub


async def _take(watch: Watch) -> WatchEventsResponse:
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = await watch.read()
    assert isinstance(response, WatchEventsResponse)
    return response


async def _events(watch: Watch, count: int) -> list[event_pb2.JobEvent]:
    """Take until that many events have come, and hold that no more did."""
    events: list[event_pb2.JobEvent] = []
    while len(events) < count:
        events += (await _take(watch)).events
    assert len(events) == count
    return events


async def _rest(watch: Watch) -> list[WatchEventsResponse]:
    responses: list[WatchEventsResponse] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (response := await watch.read()) is not grpc.aio.EOF:
            responses.append(response)
    return responses


async def _until(fulfilled: Callable[[], bool], house: House) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not fulfilled():
            await house.sql.fetch("SELECT 1")


async def test_the_first_response_comes_at_once_and_holds_the_starting_cursor(house: House, stub: Stub) -> None:
    await house.add()
    watch = stub.WatchEvents(WatchEventsRequest())

    first = await _take(watch)
    job = await house.add()
    events = await _events(watch, 1)

    assert list(first.events) == []
    assert first.HasField("server_time")
    assert [(event.job_id, event.type) for event in events] == [(job, event_pb2.EVENT_TYPE_CREATED)]
    again = stub.WatchEvents(WatchEventsRequest(cursor=first.cursor))
    assert await _events(again, 1) == events


@pytest.mark.parametrize("include_payload", [False, True])
async def test_a_list_and_a_watch_tell_the_same_events(house: House, stub: Stub, include_payload: bool) -> None:
    await let_all_happen(house)
    lease = await house.started(payload=b'{"a":1}', queue="q2", labels={"tenant": "acme"})
    await house.settle(lease, Succeeded(result=b'{"b":2}', content_type="application/json"))
    listed: list[event_pb2.JobEvent] = []
    request = ListEventsRequest(page_size=4, include_payload=include_payload)
    while not listed or request.page_token:
        page = await stub.ListEvents(request)
        listed += page.events
        request.page_token = page.next_page_token

    watch = stub.WatchEvents(WatchEventsRequest(from_oldest=True, include_payload=include_payload))

    assert await _events(watch, len(listed)) == listed
    payloads = [dict(event.payload) for event in listed if event.HasField("payload")]
    assert payloads[-3:] == ([{"a": 1}, {"a": 1}, {"b": 2}] if include_payload else [])
    assert [dict(event.labels) for event in listed[-3:]] == [{"tenant": "acme"}] * 3
    behind = stub.WatchEvents(WatchEventsRequest(cursor=page.cursor))
    await _take(behind)
    job = await house.add()
    assert [event.job_id for event in await _events(behind, 1)] == [job]


async def test_a_watch_of_jobs_ends_with_ok_when_they_have(house: House, stub: Stub) -> None:
    lease = await house.started()
    watch = stub.WatchEvents(WatchEventsRequest(job_ids=[lease.job_id], stop_when_terminal=True))
    await _take(watch)

    await house.settle(lease, Succeeded())
    responses = await _rest(watch)

    assert [event.type for one in responses for event in one.events] == [event_pb2.EVENT_TYPE_SUCCEEDED]
    assert await watch.code() is grpc.StatusCode.OK


async def test_a_snapshot_comes_before_its_cursor(house: House, stub: Stub) -> None:
    jobs = {await house.add() for _ in range(3)}
    watch = stub.WatchEvents(WatchEventsRequest(snapshot=True))
    responses = [await _take(watch)]
    while not responses[-1].snapshot_complete:
        responses.append(await _take(watch))

    assert {job.id for response in responses for job in response.snapshot_jobs} == jobs
    assert [response.cursor != "" for response in responses] == [response.snapshot_complete for response in responses]


async def test_a_quiet_watch_has_bookmarks(house: House, stub: Stub) -> None:
    watch = stub.WatchEvents(WatchEventsRequest(queues=["none"], heartbeat_interval=Duration(seconds=1)))
    first = await _take(watch)
    await house.add()
    await house.ticker.now()

    second = await _take(watch)

    assert list(second.events) == []
    assert decode_cursor(second.cursor) > decode_cursor(first.cursor)


@pytest.mark.parametrize("how", ["drained", "old"])
async def test_a_server_ends_a_watch_when_it_drains_and_when_the_stream_is_old(house: House, how: str) -> None:
    age = timedelta(milliseconds=300) if how == "old" else HOUR
    async with _serving(house, stream_age=age) as (server, stub):
        watch = stub.WatchEvents(WatchEventsRequest())
        first = await _take(watch)
        if how == "drained":
            await server.stop(timedelta(seconds=5))

        refusal = await refusal_of(_rest(watch))

        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "SERVER_DRAINING")
        assert (house.tail.followers, house.watches.count) == (0, 0)
    assert first.cursor


@pytest.mark.parametrize("asked", [{}, {"snapshot": True}, {"from_oldest": True}])
async def test_a_caller_who_goes_away_leaves_nothing_behind(house: House, stub: Stub, asked: dict[str, Any]) -> None:
    await house.add()
    watches = [stub.WatchEvents(WatchEventsRequest(**asked)) for _ in range(5)]
    for watch in watches:
        await _take(watch)
    assert house.tail.followers == 5

    for watch in watches:
        watch.cancel()

    await _until(lambda: (house.tail.followers, house.watches.count) == (0, 0), house)


async def test_a_deadline_ends_a_watch_and_leaves_nothing_behind(house: House, stub: Stub) -> None:
    watch = stub.WatchEvents(WatchEventsRequest(), timeout=0.5)

    refusal = await refusal_of(_rest(watch))

    assert refusal.code == "DEADLINE_EXCEEDED"
    await _until(lambda: (house.tail.followers, house.watches.count) == (0, 0), house)


@pytest.mark.parametrize("cursor", ["rubbish", "other", "expired"])
async def test_a_cursor_that_is_no_good_is_refused(house: House, stub: Stub, cursor: str) -> None:
    await house.add()
    position = await house.ticker.now()
    await house.add()
    kept = await house.ticker.now()
    cursors = {"rubbish": cursor, "other": encode_cursor(kept._replace(made_at=1)), "expired": encode_cursor(position)}
    await house.sql.execute("DELETE FROM gosynq.ticks WHERE id < $1", kept.tick)

    refusal = await refusal_of(_rest(stub.WatchEvents(WatchEventsRequest(cursor=cursors[cursor]))))

    if cursor == "expired":
        assert (refusal.code, refusal.reason) == ("OUT_OF_RANGE", "CURSOR_EXPIRED")
        assert refusal.metadata == {"oldest_cursor": encode_cursor(kept)}
        assert await _take(stub.WatchEvents(WatchEventsRequest(cursor=refusal.metadata["oldest_cursor"])))
    else:
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "CURSOR_INVALID")


async def test_a_page_token_that_is_no_good_is_refused(house: House, stub: Stub) -> None:
    for _ in range(2):
        await house.add()
    token = (await stub.ListEvents(ListEventsRequest(page_size=1))).next_page_token

    for request in (ListEventsRequest(page_token="rubbish"), ListEventsRequest(page_token=token, queues=["q"])):
        refusal = await refusal_of(stub.ListEvents(request))
        assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_large_events_come_through_in_responses_that_a_client_takes(house: House, stub: Stub) -> None:
    jobs = [await house.add(payload=b'{"a":"%s"}' % (b"x" * 200_000)) for _ in range(30)]

    watch = stub.WatchEvents(WatchEventsRequest(from_oldest=True, include_payload=True, max_batch_size=1000))

    assert [event.job_id for event in await _events(watch, 30)] == jobs


class _Impatient(EventServicer):
    """Sends a caller away that takes nothing for a moment."""

    async def WatchEvents(self, request: WatchEventsRequest, context: Any) -> None:  # type: ignore[override] # noqa: N802
        query = watch_query_of(request)
        responses = WatchResponses(EncodedEvents(), with_content=query.with_content)
        stream = WatchStream(self._watches, responses, context, observer=Unobserved(), patience=0.3)
        await stream.run(query, draining=self._draining, age=self._stream_age)


@asynccontextmanager
async def _impatient(house: House) -> AsyncIterator[Stub]:
    server = grpc.aio.server(interceptors=[CallInterceptor(lambda *_: None)])
    servicer = _Impatient(
        house.watches, house.event_pages, draining=asyncio.Event(), stream_age=HOUR, observer=Unobserved()
    )
    event_service_pb2_grpc.add_EventServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The library's guess at the line's width would take in more and more.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.http2.bdp_probe", 0)]) as channel:
        yield event_service_pb2_grpc.EventServiceStub(channel)
    await server.stop(0)


async def test_a_caller_who_takes_nothing_is_sent_away_and_can_resume_without_a_gap(house: House) -> None:
    jobs = [await house.add(payload=b'{"a":"%s"}' % (b"x" * MANY_BYTES)) for _ in range(60)]
    request = WatchEventsRequest(from_oldest=True, include_payload=True, max_batch_size=1)
    async with _impatient(house) as stub:
        watch = stub.WatchEvents(request)
        seen = [event.job_id for event in await _events(watch, 3)]
        await _until(lambda: house.tail.followers == 0, house)
        refusal = await _refusal_behind(watch, seen)
        assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER")
        assert 3 <= len(seen) < len(jobs)
        assert seen == jobs[: len(seen)]

        behind = stub.WatchEvents(WatchEventsRequest(cursor=refusal.metadata["cursor"], max_batch_size=1000))
        rest: list[str] = []
        while jobs[-1] not in rest:
            rest += [event.job_id for event in (await _take(behind)).events]
        assert len(jobs) - len(rest) <= len(seen)
        assert rest == jobs[-len(rest) :]


async def _refusal_behind(watch: Watch, seen: list[str]) -> Refusal:
    async def read_on() -> None:
        while (response := await watch.read()) is not grpc.aio.EOF:
            seen.extend(event.job_id for event in response.events)

    async with asyncio.timeout(PATIENCE_SECONDS):
        return await refusal_of(read_on())


async def test_a_watch_that_needs_the_database_ends_unavailable_where_it_is_away(house: House) -> None:
    await house.add()
    house.database.away = frozenset({"jobs_get", "jobs_get_full"})
    async with _serving(house) as (_, stub):
        watch = stub.WatchEvents(WatchEventsRequest(from_oldest=True, include_payload=True))
        refusal = await refusal_of(_rest(watch))

    assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "DATABASE_UNAVAILABLE")
    assert house.tail.followers == 0
