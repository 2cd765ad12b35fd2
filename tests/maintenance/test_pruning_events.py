"""Old events go by whole days, and only after the ticks that lead to them: nobody reads past what is gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
import pytest

from gosynq_server.domain.errors import CursorExpired
from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.maintenance.pruner import Pruner
from gosynq_server.store import events, partitions
from gosynq_server.store.partitions import Partitioned
from tests.service.house import DAY, House, until_blocked_by
from tests.service.watching import all_told, told_from

RETENTION = 7 * DAY


async def _first_day_kept(house: House) -> date:
    now: datetime = await house.sql.fetchval("SELECT statement_timestamp()")
    return now.astimezone(UTC).date() - RETENTION


async def _made_at(house: House, position: Position, moment: datetime) -> None:
    """Let a tick and all before it be made at a moment."""
    await house.sql.execute("UPDATE gosynq.ticks SET made_at = $2 WHERE id <= $1", position.tick, moment)


async def _days_with_an_event_each(house: House, *days: date) -> list[Position]:
    """Let one event happen on each of these days, with a tick behind it at noon; more happens today."""
    ends = []
    for day in days:
        await partitions.make(house.database, Partitioned.EVENTS, day)
        await house.add()
        await house.sql.execute("UPDATE gosynq.events SET day = $1 WHERE id = (SELECT max(id) FROM gosynq.events)", day)
        ends.append(await house.ticker.now())
    await house.add()
    await house.ticker.now()
    for end, day in reversed(list(zip(ends, days, strict=True))):
        await _made_at(house, end, datetime.combine(day, time(12), UTC))
    return ends


async def test_events_of_days_that_are_past_are_gone_and_what_led_to_them_has_expired(house: House) -> None:
    kept = await _first_day_kept(house)
    first, second, third = await _days_with_an_event_each(house, kept - 2 * DAY, kept - DAY, kept)

    await Pruner(house.database, event_retention=RETENTION).run_once()

    oldest = await house.log.oldest()
    assert (oldest.tick, oldest.tick + 1) == (second.tick, third.tick)
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.events") == 2
    assert len((await events.read(house.database, oldest, EventFilter(), limit=10)).rows) == 2
    with pytest.raises(CursorExpired):
        await events.read(house.database, first, EventFilter(), limit=10)


@pytest.mark.parametrize(("minutes", "is_kept"), [(-1, True), (4, True), (5, False), (6, False)])
async def test_the_tick_is_kept_behind_which_what_is_kept_begins(house: House, minutes: int, is_kept: bool) -> None:
    await house.add()
    first = await house.ticker.now()
    await house.add()
    second = await house.ticker.now()
    await house.add()
    await house.ticker.now()
    midnight = datetime.combine(await _first_day_kept(house), time(), UTC)
    await _made_at(house, second, midnight + timedelta(minutes=minutes))
    await _made_at(house, first, midnight - timedelta(minutes=30))

    await Pruner(house.database, event_retention=RETENTION).run_once()

    assert (await house.log.oldest()).tick == (second.tick if is_kept else first.tick)


async def test_a_watch_that_was_quiet_for_longer_than_events_are_kept_goes_on_with_the_next(house: House) -> None:
    await house.add()
    quiet = await house.ticker.now()
    long_ago = datetime.combine(await _first_day_kept(house) - 3 * DAY, time(), UTC)
    await _made_at(house, quiet, long_ago)
    bookmark = quiet._replace(made_at=int(long_ago.timestamp()) * 1_000_000)
    job = await house.add()
    await house.ticker.now()

    await Pruner(house.database, event_retention=RETENTION).run_once()

    assert [event.job for event in await told_from(house, bookmark, 1)] == [job]


async def test_ticks_go_before_the_events_that_they_lead_to(house: House) -> None:
    kept = await _first_day_kept(house)
    await _days_with_an_event_each(house, kept - DAY)
    house.database.names.clear()

    await Pruner(house.database, event_retention=RETENTION).run_once()

    names = house.database.names
    assert len(names) - names[::-1].index("ticks_prune") - 1 < names.index("partitions_drop")


async def test_a_day_is_dropped_only_when_those_who_read_it_have_ended(house: House) -> None:
    kept = await _first_day_kept(house)
    await _days_with_an_event_each(house, kept - DAY)
    begin = await house.log.oldest()
    reader = await asyncpg.connect(house.url)
    try:
        async with asyncio.TaskGroup() as tasks:
            async with reader.transaction():
                call = "SELECT id FROM gosynq.read_events($1, $2, 0, 1, NULL, NULL, NULL)"
                assert len(await reader.fetch(call, begin.tick, begin.tick + 9)) == 1
                pruning = tasks.create_task(Pruner(house.database, event_retention=RETENTION).run_once())
                await until_blocked_by(house.sql, reader.get_server_pid())
                assert await reader.fetchval("SELECT count(*) FROM gosynq.events") == 2
            await pruning
    finally:
        await reader.close()

    assert len(await all_told(house)) == 1


async def test_rounds_prune_more_ticks_than_a_batch(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gosynq_server.maintenance.pruner._BATCH", 2)
    for _ in range(7):
        await house.add()
        end = await house.ticker.now()
    await _made_at(house, end, datetime(2020, 1, 1, tzinfo=UTC))

    await Pruner(house.database, event_retention=RETENTION).run_once()

    assert [row["id"] for row in await house.sql.fetch("SELECT id FROM gosynq.ticks")] == [end.tick]
