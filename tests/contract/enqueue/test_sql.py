"""What enqueueing by SQL has of its own: the caller's transaction, session and rights, and lists."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gosynq_server.domain.job import JobId
from tests.contract.enqueue.ways import Added, BySql, Refused, refused_by
from tests.service.house import HOUR, Connection, House, until_blocked_by
from tests.store.telling import read_all, tick

ROOT = Path(__file__).parents[3]


@pytest.fixture
def way(house: House) -> BySql:
    return BySql(house.sql)


@asynccontextmanager
async def another_session(house: House) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(house.url)
    yield connection
    await connection.close()


async def traces(house: House) -> list[int]:
    """Count what an enqueue leaves behind: jobs, events, keys."""
    async with another_session(house) as sql:
        return [
            await sql.fetchval(f"SELECT count(*) FROM gosynq.{table}")  # noqa: S608 - names of ours
            for table in ("jobs", "events", "idempotency_keys", "queues", "payloads")
        ]


async def test_a_job_is_there_with_the_commit_and_not_before(house: House, way: BySql) -> None:
    async with house.sql.transaction():
        await way.enqueue(idempotency_key="a", payload={"a": "x" * 2000})
        assert await traces(house) == [0, 0, 0, 0, 0]
    assert await traces(house) == [1, 1, 1, 1, 1]


async def test_nothing_is_left_of_what_is_rolled_back(house: House, way: BySql) -> None:
    transaction = house.sql.transaction()
    await transaction.start()
    await way.enqueue(idempotency_key="a", payload={"a": "x" * 2000})
    await transaction.rollback()
    assert await traces(house) == [0, 0, 0, 0, 0]


async def test_a_refusal_leaves_the_transaction_to_a_savepoint(house: House, way: BySql) -> None:
    async with house.sql.transaction():
        first = await way.enqueue()
        inner = house.sql.transaction()
        await inner.start()
        assert isinstance(await way.enqueue(kind="-"), Refused)
        await inner.rollback()
        second = await way.enqueue()
    assert isinstance(first, Added)
    assert isinstance(second, Added)
    assert await traces(house) == [2, 2, 0, 1, 0]


async def test_a_key_counts_within_the_transaction_too(house: House, way: BySql) -> None:
    async with house.sql.transaction():
        first, second = [await way.enqueue(idempotency_key="a") for _ in range(2)]
    assert isinstance(first, Added)
    assert second == Added(job_id=first.job_id, deduplicated=True)


@pytest.mark.parametrize("commits", [True, False])
async def test_a_rival_with_the_same_key_waits_for_the_end_of_the_transaction(
    house: House, way: BySql, *, commits: bool
) -> None:
    async with another_session(house) as sql:
        await way.enqueue()
        transaction = sql.transaction()
        await transaction.start()
        first = await BySql(sql).enqueue(idempotency_key="a")
        rival = asyncio.create_task(way.enqueue(idempotency_key="a"))
        await _until_blocked(house, sql)
        await (transaction.commit() if commits else transaction.rollback())
        second = await rival
    assert isinstance(first, Added)
    assert isinstance(second, Added)
    assert (second.job_id == first.job_id, second.deduplicated) == (commits, commits)


async def _until_blocked(house: House, sql: Connection) -> None:
    async with another_session(house) as looking:
        await until_blocked_by(looking, sql.get_server_pid())


async def test_a_watch_misses_no_event_of_a_transaction_that_took_long(house: House, way: BySql) -> None:
    await way.enqueue(kind="early")
    begin = await house.log.oldest()
    async with another_session(house) as sql:
        async with sql.transaction():
            late = await BySql(sql).enqueue(kind="late")
            for _ in range(3):
                await way.enqueue(kind="early")
                await tick(house.database)
        await tick(house.database)
    assert isinstance(late, Added)
    assert await read_all(house.database, begin) == ["early"] * 4 + ["late"]


SQL_ONLY: dict[str, tuple[str, str]] = {
    "queue => 'q', payload => '[1]'": ("payload", "must be a JSON object"),
    "queue => 'q', payload => '{}', payload_bytes => 'x', content_type => 'a/b'": (
        "payload",
        "does not go with payload_bytes",
    ),
    "queue => 'q', run_at => now(), delay => '1 s'": ("run_at", "does not go with delay"),
    "queue => 'q', run_at => 'infinity'": (
        "run_at",
        "must lie between 0001-01-01T00:00:00.000001Z and 9999-12-31T23:59:59.999998Z",
    ),
    "queue => 'q', delay => '1 month'": ("delay", "must be from 0 to 365 days, not said in months or years"),
    "queue => 'q', priority => 'urgent'": ("priority", "must be low, normal, high or critical"),
    "queue => 'q', debounce_key => 'a', debounce_mode => 'drop'": (
        "debounce_mode",
        "must be keep, replace or reschedule",
    ),
    "queue => 'q', labels => '[]'": ("labels", "must be an object of texts by name"),
    """queue => 'q', labels => '{"a": 1}'""": ("labels['a']", "must be a text of at most 255 characters"),
    """queue => 'q', payload => '{"a": 1e400}'""": ("payload", "must not contain a number beyond those of a double"),
    "queue => 'q', retry_policy => '1'": ("retry_policy", "must be an object"),
    """queue => 'q', retry_policy => '{"max_backoff": "soon"}'""": (
        "retry_policy.max_backoff",
        "must be a length such as 5s, of at most 604800 s",
    ),
    """queue => 'q', retry_policy => '{"retries": 1}'""": (
        "retry_policy.retries",
        "is not known; there are strategy, initial_backoff, multiplier, max_backoff and jitter",
    ),
    "queue => NULL": ("queue", "value is required"),
}


async def test_what_only_sql_can_say_is_refused_as_well(house: House) -> None:
    found = {}
    for arguments in SQL_ONLY:
        refused, message = await refusal_in(house.sql, f"SELECT gosynq.enqueue({arguments})")
        found[arguments] = (refused.field, message.removeprefix(f"{refused.field}: "))
    assert found == SQL_ONLY


async def refusal_in(sql: Connection, query: str, *arguments: object) -> tuple[Refused, str]:
    """Run a query that is to be refused."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await sql.fetch(query, *arguments)
    return refused_by(caught.value), caught.value.message


async def test_null_says_nothing(house: House) -> None:
    job = await house.sql.fetchval(
        "SELECT job_id::text FROM gosynq.enqueue('q', NULL, NULL, content_type => NULL, labels => NULL,"
        " headers => NULL, idempotency_key => NULL, concurrency_key => NULL, ordering_key => NULL,"
        " fairness_key => NULL, debounce_key => NULL, debounce_mode => NULL)"
    )
    assert (await house.job(job)).payload == b"{}"


async def test_whole_numbers_are_kept_whatever_their_size(house: House) -> None:
    numbers = '{"a": 9007199254740993, "b": 0.1234567890123456789, "c": 1.50, "d": 1e2}'
    job = await house.sql.fetchval("SELECT job_id::text FROM gosynq.enqueue('q', payload => $1)", numbers)
    assert (await house.job(job)).payload == b'{"a":9007199254740993,"b":0.1234567890123456789,"c":1.5,"d":100}'


async def test_a_session_of_other_ways_adds_the_same_job(house: House, way: BySql) -> None:
    spec: dict[str, Any] = {
        "payload": {"a": 0.1 + 0.2, "b": 1e-7},
        "delay": timedelta(days=1),
        "debounce_key": "",
        "retry_policy": {"initial_backoff": "1.5s", "jitter": 0.1},
        "idempotency_key": "a",
        "lease_duration": HOUR,
    }
    first = await way.enqueue(**spec)
    for setting in (
        "extra_float_digits = -15",
        "timezone = 'Europe/Berlin'",
        "intervalstyle = 'sql_standard'",
        "datestyle = 'German'",
        "bytea_output = 'escape'",
        "search_path = ''",
        "standard_conforming_strings = off",
        "default_transaction_isolation = 'serializable'",
    ):
        await house.sql.execute(f"SET {setting}")
    again = await way.enqueue(**spec)
    await way.enqueue(debounce_key="d")
    await way.enqueue(debounce_key="d", debounce_mode="reschedule", delay=HOUR)
    moment = await house.sql.fetchval("SELECT details[1] ->> 'next_run_at' FROM gosynq.events WHERE type = 'requeued'")

    assert isinstance(first, Added)
    assert again == Added(job_id=first.job_id, deduplicated=True)
    assert moment.endswith("+00:00")


async def test_ids_rise_and_are_of_version_7(house: House) -> None:
    rows = await house.sql.fetch("SELECT gosynq.new_job_id() AS id FROM generate_series(1, 200)")
    ids = [row["id"] for row in rows]
    many = await house.sql.fetch(
        "SELECT job_id FROM gosynq.enqueue_many("
        "(SELECT jsonb_agg(jsonb_build_object('queue', 'q')) FROM generate_series(1, 50)))"
    )
    assert {id_.version for id_ in ids} == {7}
    assert len(set(ids)) == 200
    assert [row["job_id"] for row in many] == sorted(row["job_id"] for row in many)
    assert max(ids) < many[0]["job_id"]


async def test_what_the_database_is_told_of_the_servers_limits_holds(house: House, way: BySql) -> None:
    await house.sql.execute("SET gosynq.max_payload_bytes = 5; SET gosynq.idempotency_window = '1 hour'")
    refused = await way.enqueue(payload={"a": 1})
    await way.enqueue(idempotency_key="a", payload={})
    held = await house.sql.fetchval(
        "SELECT check_at - statement_timestamp() < '61 minutes' FROM gosynq.idempotency_keys"
    )
    assert refused == Refused(reason="PAYLOAD_TOO_LARGE", metadata={"size": "7", "limit": "5"})
    assert held


MANY = "SELECT job_id::text, deduplicated FROM gosynq.enqueue_many($1)"


async def many(house: House, *specs: object) -> list[tuple[str, bool]]:
    return [(row["job_id"], row["deduplicated"]) for row in await house.sql.fetch(MANY, json.dumps(specs))]


async def test_a_list_is_answered_in_its_order(house: House) -> None:
    first = {"queue": "b", "kind": "1", "idempotency_key": "z", "priority": "high", "labels": {"a": "b"}}
    answers = await many(
        house,
        first | {"delay": "PT1H"},
        {"queue": "a", "kind": "2", "payload_bytes": base64.b64encode(b"\x00\xff").decode(), "content_type": "a/b"},
        {"queue": "b", "kind": "3", "idempotency_key": "a", "payload": {"n": 1}},
        first | {"delay": "3600 s"},
    )
    jobs = [await house.job(job) for job, _ in answers]
    assert [job.kind for job in jobs] == ["1", "2", "3", "1"]
    assert [deduplicated for _, deduplicated in answers] == [False, False, False, True]
    assert (jobs[1].payload, jobs[0].run_at - jobs[0].created_at) == (b"\x00\xff", HOUR)
    assert [job.id for job in jobs[:3]] == sorted(job.id for job in jobs[:3])


async def test_a_list_is_taken_whole_or_not_and_says_which_job_is_wrong(house: House) -> None:
    good = {"queue": "q"}
    found = {
        problem: (await refusal_in(house.sql, MANY, json.dumps(said)))[0].field
        for problem, said in {
            "a rule": [good, {"queue": "q", "kind": "-"}],
            "a name": [good, {"queue": "q", "retries": 1}],
            "a type": [good, {"queue": "q", "max_retries": "many"}],
            "no spec": [good, 1],
            "base64": [good, {"queue": "q", "payload_bytes": "?", "content_type": "a/b"}],
            "no list": good,
        }.items()
    }
    assert found == {
        "a rule": "jobs[1].kind",
        "a name": "jobs[1].retries",
        "a type": "jobs[1]",
        "no spec": "jobs[1]",
        "base64": "jobs[1]",
        "no list": "jobs",
    }
    assert await traces(house) == [0, 0, 0, 0, 0]
    assert await many(house) == []


*EXAMPLES, GRANTS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/sql.md").read_text(encoding="utf-8"), re.DOTALL)


async def test_the_examples_of_the_documentation_work(house: House) -> None:
    await house.sql.execute("CREATE TABLE orders (id bigint, total numeric)")
    name = await house.sql.fetchval("SELECT current_database()")
    for example in EXAMPLES:
        await house.sql.execute(example.replace("DATABASE app", f"DATABASE {name}"))
    assert await traces(house) == [3, 3, 1, 1, 0]


@pytest.fixture
async def enqueuer(house: House) -> AsyncIterator[Connection]:
    """Give a session of a role that has the rights of the documentation and no others."""
    role = f"enqueuer_{uuid.uuid4().hex}"
    await house.sql.execute(f"CREATE ROLE {role}")
    await house.sql.execute(GRANTS.replace("enqueuer", role))
    async with another_session(house) as sql:
        await sql.execute(f"SET ROLE {role}")
        yield sql
    await house.sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_role_with_the_rights_that_are_told_can_do_everything(house: House, enqueuer: Connection) -> None:
    way = BySql(enqueuer)
    await way.enqueue(payload={"a": "x" * 2000}, delay=HOUR)
    await way.enqueue(debounce_key="a")
    await way.enqueue(debounce_key="a", debounce_mode="reschedule", delay=HOUR)
    await way.enqueue(debounce_key="a", debounce_mode="replace", payload={"a": "x" * 2000})
    await way.enqueue(queue="k", idempotency_key="a")
    await house.sql.execute("UPDATE gosynq.queues SET max_pending = 3")
    await way.enqueue(queue="k", idempotency_key="a")
    lapsed = await way.enqueue(queue="k", idempotency_key="b")
    assert isinstance(lapsed, Added)
    await house.jobs.delete(JobId(lapsed.job_id), force=False, allow_missing=False)
    anew = await way.enqueue(queue="k", idempotency_key="b")
    await enqueuer.fetch(MANY, '[{"queue": "q"}]')

    assert isinstance(anew, Added)
    assert not anew.deduplicated
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await enqueuer.execute("DELETE FROM gosynq.queues")


async def test_rival_lists_take_their_keys_in_one_order(house: House) -> None:
    async def enqueue(*, is_wordy: bool) -> None:
        nothing = {"debounce_key": ""} if is_wordy else {}
        async with another_session(house) as sql:
            for number in range(30):
                keyed = [{"queue": "q", "idempotency_key": f"{name}{number}"} | nothing for name in "ab"]
                debounced = [{"queue": "q", "debounce_key": name} for name in "ab"]
                specs = keyed + debounced
                await sql.fetch(MANY, json.dumps(specs if is_wordy else specs[::-1]))

    async with asyncio.TaskGroup() as tasks:
        for is_wordy in (True, False):
            tasks.create_task(enqueue(is_wordy=is_wordy))
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 62
