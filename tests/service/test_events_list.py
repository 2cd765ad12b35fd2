"""Pages of events are a watch's events, cut to size, and tell where a watch goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gosynq.v1 import event_pb2
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import CursorExpired, CursorInvalid, PageTokenInvalid
from gosynq_server.domain.event import EventFilter
from gosynq_server.domain.job import JobId
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.paging import encode_position_token, events_digest
from gosynq_server.domain.watching import EventPage, EventQuery
from gosynq_server.rpc.encoded_events import encode
from gosynq_server.rpc.watch_responses import page_message
from tests.service.house import FAILED, House, open_house
from tests.service.watching import (
    CONDITIONS,
    SPECS,
    Told,
    add_many,
    all_told,
    let_all_happen,
    pages,
    told_from,
    told_in,
    watching,
)

MEBIBYTE = 1024 * 1024


def listed(read: list[EventPage]) -> list[Told]:
    return [told for page in read for told in told_in(page.matches)]


@pytest.mark.parametrize("page_size", [1, 2, 3, 4, 7, 1000])
async def test_pages_of_any_size_are_what_a_watch_gives_and_each_tells_where_one_goes_on(
    house: House, page_size: int
) -> None:
    await let_all_happen(house)
    whole = await all_told(house)

    read = await pages(house, page_size=page_size)

    assert listed(read) == whole
    assert all(len(told_in(page.matches)) <= page_size for page in read)
    for number, page in enumerate(read):
        rest = whole[len(listed(read[: number + 1])) :]
        assert await told_from(house, page.end, len(rest)) == rest


async def test_nothing_is_a_page_that_ends(house: House) -> None:
    (page,) = await pages(house)

    assert (page.matches, page.next_page_token) == ([], "")
    job = await house.add()
    assert [event.job for event in await told_from(house, page.end, 1)] == [job]


async def test_what_is_committed_before_the_call_is_in_the_list(house: House) -> None:
    for _ in range(5):
        job = await house.add()
        assert listed(await pages(house))[-1].job == job


async def test_a_list_goes_on_while_more_happens(house: House) -> None:
    await add_many(house, 3)
    first = await house.event_pages.read(EventQuery(page_size=2))
    await add_many(house, 2)

    rest = await house.event_pages.read(EventQuery(page_size=100, page_token=first.next_page_token))

    assert listed([first, rest]) == await all_told(house)


@pytest.mark.parametrize("followed", [False, True])
@pytest.mark.parametrize(("conditions", "names"), CONDITIONS)
async def test_a_list_is_filtered_as_a_watch_is(
    house: House, conditions: dict[str, Any], names: set[str], followed: bool
) -> None:
    async with watching(house) as watcher:
        if followed:
            await watcher.take()
        jobs = {await house.add(**spec): name for name, spec in SPECS.items()}

        read = await pages(house, of=conditions, page_size=1)

    assert {jobs[JobId(event.job)] for event in listed(read)} == names
    assert len(listed(read)) == len(names)


async def test_a_list_holds_what_happened_from_its_start_on_and_before_its_end(house: House) -> None:
    await let_all_happen(house)
    whole = await all_told(house)
    rows = await house.sql.fetch("SELECT id, occurred_at FROM gosynq.events ORDER BY occurred_at")
    at = {row["id"]: row["occurred_at"] for row in rows}
    moments = [rows[0]["occurred_at"], rows[len(rows) // 2]["occurred_at"], rows[-1]["occurred_at"]]
    for start in moments:
        for end in (*moments, moments[-1] + timedelta(microseconds=1)):
            read = await pages(house, of={"not_before": start, "before": end}, page_size=3)
            assert listed(read) == [event for event in whole if start <= at[int(event.id.split("-")[0])] < end]


async def test_a_list_that_ends_long_ago_reads_no_further(house: House) -> None:
    await house.add()
    await house.ticker.now()
    await house.sql.execute("UPDATE gosynq.ticks SET made_at = made_at - interval '1 day'")
    await house.sql.execute("UPDATE gosynq.events SET occurred_at = occurred_at - interval '1 day'")
    for _ in range(210):
        await house.add()
    now = await house.ticker.now()
    end = await house.sql.fetchval("SELECT statement_timestamp() - interval '1 hour'")

    read = await pages(house, of={"before": end}, page_size=1)

    assert len(listed(read)) == 1
    assert read[-1].end < now


@pytest.mark.parametrize("moment", [datetime.max.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 56, tzinfo=UTC)])
async def test_a_list_may_end_with_the_last_moment_that_there_is(house: House, moment: datetime) -> None:
    await add_many(house, 2)

    assert len(listed(await pages(house, of={"before": moment}))) == 2
    assert listed(await pages(house, of={"not_before": moment})) == []


async def test_a_list_of_jobs_begins_no_earlier_than_their_ids(house: House) -> None:
    await house.add()
    old = await house.ticker.now()
    await house.sql.execute("UPDATE gosynq.ticks SET made_at = made_at - interval '1 day'")
    job = await house.add()
    read: list[tuple[Any, ...]] = []
    fetch = house.log._database.fetch  # noqa: SLF001 - what is read is not seen from outside

    async def spied(name: str, *arguments: object) -> Any:
        read.append((name, *arguments))
        return await fetch(name, *arguments)

    house.log._database.fetch = spied  # type: ignore[method-assign] # noqa: SLF001 - it passes everything on

    (page,) = await pages(house, of={"job_ids": [job]})

    assert [event.job for event in listed([page])] == [job]
    assert [call[1] >= old.tick for call in read if call[0] == "events_read"] == [True]


@pytest.mark.parametrize(
    "stranger",
    [
        "0195e7a4-5a5a-4000-8000-000000000001",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "00000000-0000-7000-8000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ],
)
async def test_ids_of_any_form_may_be_listed_for(house: House, stranger: str) -> None:
    job = await house.add()

    assert str(UUID(stranger)) == stranger
    assert listed(await pages(house, of={"job_ids": [stranger]})) == []
    assert [event.job for event in listed(await pages(house, of={"job_ids": [job, stranger]}))] == [job]


async def test_a_token_serves_its_own_list_only(house: House) -> None:
    await add_many(house, 3)
    token = (await house.event_pages.read(EventQuery(page_size=1))).next_page_token

    for other in (EventFilter(queues=frozenset({"q"})), EventFilter(before=datetime.now(UTC))):
        with pytest.raises(PageTokenInvalid):
            await house.event_pages.read(EventQuery(wanted=other, page_token=token))
    for rubbish in ("rubbish", token[:-1] + "A", token + "AAAA"):
        with pytest.raises(PageTokenInvalid):
            await house.event_pages.read(EventQuery(page_token=rubbish))
    assert len(listed([await house.event_pages.read(EventQuery(page_size=7, page_token=token))])) == 2


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"tick": 10**9}, PageTokenInvalid),
        ({"tick": 2**63 - 1}, PageTokenInvalid),
        ({"made_at": 2**63 - 1}, PageTokenInvalid),
        ({"made_at": 1}, CursorInvalid),
    ],
)
async def test_a_token_of_another_history_is_refused(
    house: House, change: dict[str, int], refusal: type[Exception]
) -> None:
    await add_many(house, 3)
    position = (await house.ticker.now())._replace(**change)
    token = encode_position_token(events_digest(EventQuery()), position)

    with pytest.raises(refusal):
        await house.event_pages.read(EventQuery(page_token=token))


async def test_a_page_behind_events_that_are_gone_is_refused_and_told_where_there_are_some(house: House) -> None:
    await add_many(house, 3)
    token = (await house.event_pages.read(EventQuery(page_size=1))).next_page_token
    await house.add()
    end = await house.ticker.now()
    await house.sql.execute("DELETE FROM gosynq.ticks WHERE id < $1", end.tick)

    with pytest.raises(CursorExpired) as refusal:
        await house.event_pages.read(EventQuery(page_token=token))
    assert await house.log.position_of(str(refusal.value.metadata["oldest_cursor"])) == end


@pytest.mark.parametrize(("page_size", "sizes"), [(2, [2] * 9), (100, [8, 8, 2])])
async def test_pages_with_contents_are_cut_where_they_would_be_too_large(
    house: House, page_size: int, sizes: list[int]
) -> None:
    payloads = {await house.add(payload=bytes([n + 64]) * 250_000): bytes([n + 64]) * 250_000 for n in range(18)}

    read = await pages(house, page_size=page_size, with_content=True)

    assert [event.job for event in listed(read)] == list(payloads)
    assert [len(listed([page])) for page in read if page.matches] == sizes
    for page in read:
        for event in told_in(page.matches):
            assert page.contents[JobId(event.job)].payload == payloads[JobId(event.job)]


NUMBERS = b'{"a":[' + b"0," * 100_000 + b"0]}"
TEXTS = b'{"a":[' + b'"",' * 80_000 + b"0]}"
LISTS = b'{"a":[' + b"[]," * 80_000 + b"0]}"
FIELDS = b"{" + b",".join(b'"%x":0' % number for number in range(25_000)) + b"}"


@pytest.mark.parametrize("payload", [NUMBERS, TEXTS, LISTS, FIELDS])
async def test_a_page_of_objects_that_grow_on_the_wire_is_one_that_a_client_takes(house: House, payload: bytes) -> None:
    for _ in range(8):
        await house.add(payload=payload, content_type="application/json")

    read = await pages(house, with_content=True)

    assert len(listed(read)) == 8
    assert max(page_message(page, with_content=True).ByteSize() for page in read) < 3 * MEBIBYTE


async def test_no_more_jobs_are_read_with_their_contents_than_can_be_held_at_once(house: House) -> None:
    await add_many(house, 250)
    whole = await all_told(house)

    read = await pages(house, page_size=1000, with_content=True)
    async with watching(house, from_oldest=True, batch=1000, with_content=True) as watcher:
        deliveries = await watcher.deliveries_until(250)

    assert listed(read) == whole
    assert [len(page.contents) for page in read] == [100, 100, 50]
    assert [len(delivery.contents) for delivery in deliveries if delivery.matches] == [100, 100, 50]


async def test_a_page_of_long_stories_of_failures_is_one_that_a_client_takes(house: House) -> None:
    await add_many(house, 1000)
    await house.sql.execute(
        "UPDATE gosynq.events SET details = (SELECT array_agg(jsonb_build_object('message', $1::text))"
        " FROM unnest(job_ids))",
        "ü" * 4096,
    )

    read = await pages(house, page_size=1000)

    assert len(listed(read)) == 1000
    assert max(page_message(page, with_content=False).ByteSize() for page in read) < 3 * MEBIBYTE


async def test_contents_of_a_page_are_those_of_the_jobs_that_are_still_there(house: House) -> None:
    lease = await house.started(payload=b'{"a":1}')
    await house.settle(lease, Succeeded(result=b'{"b":2}', content_type="application/json"))
    gone = await house.add(queue="q2")
    await house.jobs.delete(gone, force=False, allow_missing=False)

    (page,) = await pages(house, with_content=True)

    assert list(page.contents) == [lease.job_id]
    assert page.contents[JobId(lease.job_id)].result == b'{"b":2}'


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Europe/Amsterdam", "America/New_York"])
@pytest.mark.parametrize("year", [1, 1800, 9999])
async def test_any_moment_of_a_next_run_can_be_told_wherever_the_database_is(
    house: House, zone: str, year: int
) -> None:
    name = house.url.split("?")[0].rpartition("/")[2]
    await house.sql.execute(f"ALTER DATABASE {name} SET timezone TO '{zone}'")
    moment = datetime(year, 12, 31, 23, 59, tzinfo=UTC) if year > 1 else datetime(1, 1, 1, 0, 1, tzinfo=UTC)
    async with open_house(house.url) as there:
        lease = await there.started(max_retries=0)
        await there.settle(lease, FAILED)
        await there.jobs.retry(lease.job_id, run_at=moment)

        (page,) = await pages(there, of={"types": [EventType.REQUEUED]})

    (match,) = page.matches
    (event,) = encode(match.row, match.places)
    assert event_pb2.JobEvent.FromString(event).next_run_at.ToDatetime(UTC) == moment
