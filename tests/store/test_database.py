"""The driver's errors are translated once: what is known of an outcome is what the caller is told."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from gosynq_server.domain.errors import DatabaseBusy, DatabaseUnavailable, StorageFull
from gosynq_server.store import queues
from gosynq_server.store.database import Database
from tests.service.house import House, until_blocked_by

NOWHERE = "postgresql://postgres@127.0.0.1:1/nothing"


async def _end_other_sessions(house: House) -> None:
    await house.sql.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


async def _broken_midway(house: House, database: Database) -> None:
    async with database.transaction() as transaction:
        await queues.make(transaction, "q")
        await _end_other_sessions(house)
        await queues.make(transaction, "q2")


async def _failed_midway(database: Database) -> None:
    async with database.transaction() as transaction:
        await queues.make(transaction, "q")
        raise ZeroDivisionError


async def test_a_pool_is_made_without_a_server_and_says_that_there_is_none() -> None:
    async with Database(NOWHERE) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()


async def test_a_database_that_is_not_there_is_unavailable(database_url: str) -> None:
    async with Database(urlsplit(database_url)._replace(path="/gone").geturl()) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()


async def test_a_database_that_lets_us_in_no_more_is_unavailable(database_url: str) -> None:
    stranger = database_url.replace("//postgres@", "//stranger@")
    assert stranger != database_url
    async with Database(stranger) as database:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()


async def test_a_connection_that_broke_while_idle_is_replaced(house: House) -> None:
    async with Database(house.url, pool_size=1) as database:
        await database.ping()
        await _end_other_sessions(house)
        for _ in range(2):
            try:
                await database.ping()
            except DatabaseUnavailable:
                continue
            return
    pytest.fail("the pool never got over it")


async def test_a_transaction_whose_connection_breaks_is_undone_and_told_as_unknown(house: House) -> None:
    async with Database(house.url, pool_size=1) as database:
        with pytest.raises(DatabaseUnavailable):
            await _broken_midway(house, database)
        await database.ping()

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queues") == 0


async def test_a_transaction_is_undone_by_any_exception(house: House) -> None:
    with pytest.raises(ZeroDivisionError):
        await _failed_midway(house.database)

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queues") == 0


async def test_without_a_free_connection_it_is_busy_and_nothing_was_done(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_server.store.database._ACQUIRE_SECONDS", 0.05)
    async with Database(house.url, pool_size=1) as database, database.transaction():
        with pytest.raises(DatabaseBusy):
            await database.ping()


@pytest.mark.parametrize(
    ("sqlstate", "error"),
    [
        ("57014", DatabaseBusy),
        ("55P03", DatabaseBusy),
        ("40001", DatabaseBusy),
        ("40P01", DatabaseBusy),
        ("53200", DatabaseBusy),
        ("53400", DatabaseBusy),
        ("53100", StorageFull),
        ("53300", DatabaseUnavailable),
        ("57P01", DatabaseUnavailable),
        ("57P04", DatabaseUnavailable),
        ("28P01", DatabaseUnavailable),
        ("25006", DatabaseUnavailable),
        ("08006", DatabaseUnavailable),
    ],
)
async def test_what_the_server_answers_is_told_by_its_meaning(
    house: House, sqlstate: str, error: type[Exception]
) -> None:
    await house.sql.execute(
        "CREATE FUNCTION gosynq.refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"
    )
    await house.sql.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON gosynq.queues FOR EACH ROW EXECUTE FUNCTION gosynq.refuse()"
    )

    with pytest.raises(error):
        await queues.make(house.database, "q")


async def test_a_cancelled_caller_leaves_a_connection_that_works(house: House) -> None:
    async with Database(house.url, pool_size=1) as database, house.sql.transaction():
        await house.sql.execute("LOCK TABLE gosynq.queues IN ACCESS EXCLUSIVE MODE")
        call = asyncio.create_task(queues.make(database, "q"))
        await until_blocked_by(house.sql, house.sql.get_server_pid())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await database.ping()

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queues") == 0


async def test_a_statement_with_too_many_arguments_shows_as_the_bug_that_it_is(house: House) -> None:
    with pytest.raises(asyncpg.InterfaceError):
        await house.database.fetch("queues_make", "q", "too many")
