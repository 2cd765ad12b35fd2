"""Reads by id and lists go by the indexes, however many jobs there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson
import pytest

from gosynq_server.domain.ids import new_job_ids
from gosynq_server.store import partitions, statements
from gosynq_server.store.database import Database
from gosynq_server.store.partitions import Partitioned
from tests.service.house import Connection

COLUMNS = (
    "id, queue, kind, priority, created_at, run_at, revision, lease_seq, failures, deliveries, content_type, payload"
)
ROW = "spec.id, 'q' || spec.place % 5, 'k', 2, now(), now(), 1, 1, 0, 0, 'x', ''"
JOBS = 6000


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[Connection]:
    """Give a database with thousands of jobs in every stage, over several days."""
    ids = new_job_ids(JOBS)
    connection = await asyncpg.connect(database_url)
    today = datetime.now(UTC).date()
    async with Database(database_url) as database:
        for days in range(3):
            await partitions.make(database, Partitioned.FINISHED, today + timedelta(days=days))
    sources = {
        "scheduled": ("", "", 0),
        "ready": (", ready_at, rank", ", now(), now()", 1),
        "finished": (
            ", status, finished_at, prune_on",
            ", CASE WHEN place % 100 = 2 THEN 'failed' ELSE 'completed' END, now(), current_date + place / 3 % 3",
            2,
        ),
    }
    for table, (columns, values, rest) in sources.items():
        await connection.execute(
            f"INSERT INTO gosynq.{table} ({COLUMNS}{columns}) SELECT {ROW}{values}"  # noqa: S608 - nothing from outside
            " FROM unnest($1::uuid []) WITH ORDINALITY AS told (id, ordinal)"
            " CROSS JOIN LATERAL (SELECT told.id, told.ordinal::int AS place) AS spec WHERE spec.place % 3 = $2",
            ids,
            rest,
        )
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


async def _plan(connection: Connection, name: str, *arguments: object, generic: bool) -> list[dict[str, Any]]:
    """Explain a statement and return the nodes of its plan, from the top."""
    mode = "force_generic_plan" if generic else "force_custom_plan"
    await connection.execute(f"SET plan_cache_mode = {mode}")
    text = await connection.fetchval("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statements.load(name), *arguments)
    nodes, found = [orjson.loads(text)[0]["Plan"]], []
    while nodes:
        node = nodes.pop(0)
        found.append(node)
        nodes += node.get("Plans", [])
    return found


def _scans_whole(nodes: list[dict[str, Any]], *tables: str) -> list[str]:
    """Name the tables that a plan reads from end to end."""
    return [
        node["Relation Name"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith(tables) and node["Actual Rows"] > 0
    ]


@pytest.mark.parametrize("name", ["jobs_list_newest", "jobs_list_oldest"])
@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize("statuses", [None, ["completed", "pending"], ["failed"]])
async def test_a_page_is_read_by_indexes_and_no_further_than_it_goes(
    filled: Connection, name: str, generic: bool, statuses: list[str] | None
) -> None:
    middle = await filled.fetchval("SELECT id FROM gosynq.ready ORDER BY id OFFSET 1000 LIMIT 1")
    for after in (None, middle):
        nodes = await _plan(filled, name, *(statuses, None, None, None, None, after, 20, False), generic=generic)

        assert _scans_whole(nodes, "scheduled", "ready", "finished") == []
        assert max(node["Actual Rows"] for node in nodes) <= 50


@pytest.fixture
async def dead(database_url: str) -> AsyncIterator[Connection]:
    """Give a database with thousands of dead letters of one queue, over several days, and as many completed jobs."""
    connection = await asyncpg.connect(database_url)
    today = datetime.now(UTC).date()
    async with Database(database_url) as database:
        for days in range(3):
            await partitions.make(database, Partitioned.FINISHED, today + timedelta(days=days))
    await connection.execute(
        f"INSERT INTO gosynq.finished ({COLUMNS}, status, finished_at, prune_on) SELECT {ROW},"  # noqa: S608 - nothing from outside
        " CASE place % 2 WHEN 0 THEN 'completed' ELSE 'failed' END, now() - place * interval '1 s',"
        " current_date + place / 2 % 3"
        " FROM unnest($1::uuid []) WITH ORDINALITY AS told (id, ordinal)"
        " CROSS JOIN LATERAL (SELECT told.id, told.ordinal::int AS place) AS spec",
        new_job_ids(JOBS),
    )
    await connection.execute("UPDATE gosynq.finished SET queue = 'q'")
    await connection.execute("VACUUM ANALYZE")
    yield connection
    await connection.close()


def _read(nodes: list[dict[str, Any]], table: str) -> Any:
    """Count the rows of a table that a plan looked at, those too that it left out."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes
        if node.get("Relation Name", "").startswith(table)
    )


@pytest.mark.parametrize("generic", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dead_letters_list", (None, None, None, None, None, None, 20)),
        ("dead_letters_list_of_queues", (["q"], None, None, None, None, None, None, 20)),
        ("dead_letters_list_of_queues", (["nothing", "neither"], None, None, None, None, None, None, 20)),
        ("jobs_select_ended_badly", (["failed"], "true", False, None, 20)),
        ("jobs_select", (["pending"], "true", False, None, 20)),
        ("jobs_select", (None, "true", False, None, 20)),
    ],
)
async def test_no_more_is_looked_at_among_many_dead_letters_than_is_said(
    dead: Connection, name: str, arguments: tuple[object, ...], generic: bool
) -> None:
    nodes = await _plan(dead, name, *arguments, generic=generic)

    assert _scans_whole(nodes, "finished") == []
    assert _read(nodes, "finished") <= 20 * 4


@pytest.mark.parametrize("name", ["jobs_get", "jobs_get_full"])
@pytest.mark.parametrize("generic", [False, True])
async def test_a_job_is_read_by_an_index_in_every_partition(filled: Connection, name: str, generic: bool) -> None:
    job_id = await filled.fetchval("SELECT id FROM gosynq.finished ORDER BY id OFFSET 1000 LIMIT 1")

    nodes = await _plan(filled, name, [job_id], generic=generic)

    assert _scans_whole(nodes, "scheduled", "ready", "finished") == []
    assert max(node["Actual Rows"] for node in nodes) == 1


@pytest.mark.parametrize("stage", ["scheduled", "ready", "finished"])
@pytest.mark.parametrize("generic", [False, True])
async def test_jobs_of_a_queue_are_purged_in_a_bounded_walk(filled: Connection, stage: str, generic: bool) -> None:
    middle = await filled.fetchval(f"SELECT id FROM gosynq.{stage} ORDER BY id OFFSET 1000 LIMIT 1")  # noqa: S608 - a name of ours
    said = [["completed", "failed"]] if stage == "finished" else []

    nodes = await _plan(filled, f"queues_purge_{stage}", "q1", middle, 10, 100, *said, generic=generic)

    # PostgreSQL 15 thinks ten looks into an index dearer than a walk through a partition as small as these.
    if stage != "finished" or filled.get_server_version().major > 15:
        assert _scans_whole(nodes, "scheduled", "ready", "finished") == []
    assert max(node["Actual Rows"] for node in nodes) <= 100


async def test_numbers_of_jobs_are_read_without_reading_jobs(filled: Connection) -> None:
    await filled.execute("SELECT gosynq.recount()")
    read = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname = ANY($1)"
    partitions_of_jobs = await filled.fetch("SELECT inhrelid::regclass::text FROM pg_inherits")
    names = ["scheduled", "ready", "running", *(name.rpartition(".")[2] for (name,) in partitions_of_jobs)]
    async with filled.transaction():
        before = await filled.fetchval(read, names)
        rows = await filled.fetch(statements.load("queue_counts_totals"), None)
        touched = await filled.fetchval(read, names) - before

    assert sum(row["pending"] + row["completed"] + row["failed"] for row in rows) == JOBS
    assert touched == 0


async def test_a_fetch_reads_no_more_of_the_backlog_than_it_leases(filled: Connection) -> None:
    hour = timedelta(hours=1)
    arguments: tuple[object, ...] = ("q1", [], [], [], [], hour, ["k"], 10, "w", hour, None, hour, None)

    nodes = await _plan(filled, "leases_exchange", *arguments, generic=False)

    of_ready = [node["Actual Rows"] for node in nodes if node.get("Relation Name") == "ready"]
    assert of_ready
    assert max(of_ready) <= 10


@pytest.mark.parametrize(
    ("table", "call"),
    [("ready", "gosynq.lock_ready('q', ARRAY['k'], 10)"), ("scheduled", "gosynq.lock_due('q', 10)")],
)
async def test_the_next_jobs_are_found_by_the_index_without_any_statistics(
    database_url: str, table: str, call: str
) -> None:
    connection = await asyncpg.connect(database_url)
    more, values = (", ready_at, rank", ", now(), now()") if table == "ready" else ("", "")
    row = "gen_random_uuid(), 'q', 'k', 2, now(), now(), 1, 1, 0, 0, 'x', ''"
    await connection.execute(
        f"INSERT INTO gosynq.{table} ({COLUMNS}{more}) SELECT {row}{values} FROM generate_series(1, {JOBS})"  # noqa: S608 - nothing from outside
    )
    async with connection.transaction():
        places = await connection.fetch(f"SELECT {call} AS place")
        read = await connection.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = $1::text::regclass",
            f"gosynq.{table}",
        )
    await connection.close()
    assert len(places) == 10
    assert read < 150


@pytest.mark.parametrize("kinds", [["rare"], ["rare", "rarer"], ["rare", *(f"absent{number}" for number in range(50))]])
async def test_jobs_of_a_kind_are_found_behind_a_backlog_of_others(database_url: str, kinds: list[str]) -> None:
    connection = await asyncpg.connect(database_url)
    for kind, count in (("common", JOBS), ("rare", 20), ("rarer", 20)):
        await connection.execute(
            f"INSERT INTO gosynq.ready ({COLUMNS}, ready_at, rank)"  # noqa: S608 - nothing from outside
            " SELECT gen_random_uuid(), 'q', $1, 2, now(), now(), 1, 1, 0, 0, 'x', '', now(), clock_timestamp()"
            " FROM generate_series(1, $2::integer)",
            kind,
            count,
        )
    async with connection.transaction():
        places = await connection.fetch("SELECT gosynq.lock_ready('q', $1, 10) AS place", kinds)
        read = await connection.fetchval(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relid = 'gosynq.ready'::regclass"
        )
        found = await connection.fetch(
            "SELECT kind FROM gosynq.ready WHERE ctid = ANY ($1::tid [])", [row["place"] for row in places]
        )
    await connection.close()
    # The oldest of all that are wanted, whatever their kinds.
    assert [row["kind"] for row in found] == ["rare"] * 10
    assert read < 150


@pytest.mark.parametrize("common", ["a", "b"])
async def test_the_order_is_that_of_the_queue_whichever_way_is_taken(database_url: str, common: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        f"INSERT INTO gosynq.ready ({COLUMNS}, ready_at, rank)"  # noqa: S608 - nothing from outside
        " SELECT gen_random_uuid(), 'q', CASE n % 20 WHEN 0 THEN 'b' WHEN 1 THEN 'c' ELSE 'a' END, 1 + n % 4,"
        " now(), now(), 1, 1, 0, 0, 'x', '', now(), now() + n * interval '1 second' FROM generate_series(1, 2000) AS n"
    )
    places = await connection.fetch("SELECT gosynq.lock_ready('q', $1, 30) AS place", [common, "c"])
    expected = await connection.fetch(
        "SELECT ctid AS place FROM gosynq.ready WHERE kind = ANY ($1) ORDER BY rank, id LIMIT 30",
        [common, "c"],
    )
    await connection.close()
    assert [row["place"] for row in places] == [row["place"] for row in expected]
