"""The tables refuse what cannot be, whoever writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import asyncpg
import pytest

from tests.service.house import Connection

JOB = {
    "id": "'01977420-dc00-73ff-8123-456789abcdef'",
    "queue": "'q'",
    "kind": "'k'",
    "priority": "2",
    "created_at": "now()",
    "run_at": "now()",
    "revision": "1",
    "lease_seq": "3",
    "failures": "1",
    "deliveries": "2",
    "content_type": "'x'",
}
TABLES = {
    "scheduled": JOB,
    "ready": JOB | {"ready_at": "now()", "rank": "now()"},
    "running": JOB | {"worker_id": "'w'", "leased_at": "now()", "lease_expires_at": "now()"},
    "finished": JOB | {"status": "'completed'", "finished_at": "now()", "prune_on": "'2026-01-01'"},
    "queues": {"name": "'q'"},
    "attempts": {
        "job_id": JOB["id"],
        "queue": "'q'",
        "lease_seq": "1",
        "attempt": "1",
        "worker_id": "'w'",
        "started_at": "now()",
        "finished_at": "now()",
        "outcome": "'failed'",
    },
    "idempotency_keys": {
        "queue": "'q'",
        "key": "'a'",
        "fingerprint": f"'\\x{'00' * 32}'",
        "job_id": JOB["id"],
        "check_at": "now()",
    },
    "events": {
        "type": "'created'",
        "queue": "'q'",
        "status": "'pending'",
        "job_ids": "'{}'",
        "kinds": "'{}'",
        "priorities": "'{}'",
        "attempts": "'{}'",
        "revisions": "'{}'",
    },
}
OF_EVERY_JOB = [
    ("priority", "0"),
    ("priority", "5"),
    ("revision", "0"),
    ("lease_seq", "-1"),
    ("failures", "-1"),
    ("deliveries", "-1"),
    ("failures", "2"),
    ("max_retries", "-1"),
    ("max_retries", "1001"),
    ("max_deliveries", "0"),
    ("idempotency_key", "''"),
]
STAGES = ("scheduled", "ready", "running", "finished")
BAD = [
    *((stage, column, value) for stage in STAGES for column, value in OF_EVERY_JOB),
    ("running", "lease_expires_at", "now() - interval '1 second'"),
    ("running", "cancel_requested_at", "now()"),
    ("running", "cancel_reason", "'why'"),
    ("finished", "status", "'pending'"),
    ("finished", "result", "''"),
    ("finished", "result_content_type", "'x'"),
    ("queues", "name", "''"),
    ("queues", "name", "'-q'"),
    ("queues", "name", "'q q'"),
    ("queues", "state", "'asleep'"),
    ("queues", "priority", "5"),
    ("queues", "max_retries", "-1"),
    ("queues", "max_deliveries", "0"),
    ("queues", "lease_duration", "'0.9 seconds'"),
    ("queues", "attempt_timeout", "'8 days'"),
    ("queues", "retention", "'-1 second'"),
    ("queues", "dead_letter_retention", "'366 days'"),
    ("queues", "max_payload_bytes", "-1"),
    ("attempts", "lease_seq", "0"),
    ("attempts", "attempt", "0"),
    ("attempts", "outcome", "'succeeded'"),
    ("idempotency_keys", "key", "''"),
    ("idempotency_keys", "fingerprint", "'\\x00'"),
    ("events", "type", "'exploded'"),
    ("events", "status", "'scheduled'"),
]
BAD_TOGETHER = [
    ("running", {"lease_seq": "0", "failures": "0", "deliveries": "0"}),
    ("running", {"deliveries": "0"}),
    ("finished", {"lease_seq": "0", "failures": "0", "deliveries": "0"}),
]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


def _insert(table: str, changes: dict[str, str]) -> str:
    row = TABLES[table] | changes
    return f"INSERT INTO gosynq.{table} ({', '.join(row)}) VALUES ({', '.join(row.values())})"  # noqa: S608 - ours


async def test_good_rows_are_taken(connection: Connection) -> None:
    for table in TABLES:
        await connection.execute(_insert(table, {}))


@pytest.mark.parametrize("table", TABLES)
async def test_bad_values_are_refused(connection: Connection, table: str) -> None:
    taken = []
    for bad_table, column, value in BAD:
        if bad_table == table:
            with suppress(asyncpg.CheckViolationError):
                await connection.execute(_insert(table, {column: value}))
                taken.append((column, value))

    assert taken == []


@pytest.mark.parametrize(("table", "changes"), BAD_TOGETHER)
async def test_values_that_cannot_be_together_are_refused(
    connection: Connection, table: str, changes: dict[str, str]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(_insert(table, changes))


@pytest.mark.parametrize("table", STAGES)
async def test_no_stage_holds_a_job_twice(connection: Connection, table: str) -> None:
    await connection.execute(_insert(table, {}))

    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(_insert(table, {}))
