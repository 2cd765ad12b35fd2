"""A cursor is good as long as its tick is kept, in the history that it comes from."""

from __future__ import annotations

import pytest

from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.errors import CursorExpired, CursorInvalid
from gosynq_server.maintenance.pruner import Pruner
from tests.service.house import DAY, House
from tests.service.watching import (
    Told,
    watching,
)


async def test_a_cursor_of_pruned_ticks_is_expired_and_told_where_to_begin_instead(house: House) -> None:
    await house.add()
    old = await house.ticker.now()
    for _ in range(3):
        await house.add()
        kept = await house.ticker.now()
    await house.sql.execute("DELETE FROM gosynq.ticks WHERE id < $1", kept.tick - 1)

    async with watching(house, cursor=encode_cursor(old)) as watcher:
        with pytest.raises(CursorExpired) as refusal:
            await watcher.take()

    async with watching(house, cursor=str(refusal.value.metadata["oldest_cursor"])) as watcher:
        assert await watcher.until(1) == (await _told_last(house))
    assert house.tail.followers == 0


async def _told_last(house: House) -> list[Told]:
    async with watching(house, from_oldest=True) as watcher:
        return await watcher.until(1)


@pytest.mark.parametrize("change", [{"made_at": 1}, {"tick": 10**9}, {"tick": 2**63 - 1}, {"made_at": 2**63 - 1}])
async def test_a_cursor_of_another_history_is_refused(house: House, change: dict[str, int]) -> None:
    await house.add()
    position = (await house.ticker.now())._replace(**change)

    async with watching(house, cursor=encode_cursor(position)) as watcher:
        with pytest.raises(CursorInvalid):
            await watcher.take()


async def test_text_that_is_no_cursor_is_refused(house: House) -> None:
    async with watching(house, cursor="rubbish") as watcher:
        with pytest.raises(CursorInvalid):
            await watcher.take()
    assert (house.tail.followers, house.watches.count) == (0, 0)


async def test_the_pruner_takes_old_ticks_and_keeps_the_last_however_old(house: House) -> None:
    await house.add()
    first = await house.ticker.now()
    await house.add()
    last = await house.ticker.now()
    await house.sql.execute("UPDATE gosynq.ticks SET made_at = made_at - interval '9 days'")

    await Pruner(house.database, event_retention=7 * DAY).run_once()

    assert [row["id"] for row in await house.sql.fetch("SELECT id FROM gosynq.ticks")] == [last.tick]
    oldest = await house.log.oldest()
    async with watching(house, cursor=encode_cursor(oldest)) as watcher:
        await watcher.take()
        job = await house.add()
        assert [event.job for event in await watcher.until(1)] == [job]
    assert first.tick < last.tick
