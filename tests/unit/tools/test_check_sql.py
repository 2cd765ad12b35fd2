"""The lint of the store's statements."""

from __future__ import annotations

import pytest

from tools.check_sql import findings

GOOD = """-- Leases the next due jobs of one queue; the clock is never now().
-- $1 queue; $2 how many at most. Locks: the rows that it moves.
WITH candidates AS MATERIALIZED (
    SELECT id
    FROM gosynq.ready
    WHERE queue = $1 AND extract(EPOCH FROM ready_at) > 0 AND kind IS DISTINCT FROM 'select; from now()'
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
taken (id) AS (
    DELETE FROM gosynq.ready AS job
    USING candidates
    WHERE job.queue = $1 AND job.id = candidates.id
    RETURNING job.id
)
INSERT INTO gosynq.running (id, leased_at)
SELECT taken.id, statement_timestamp()
FROM taken
JOIN LATERAL unnest(ARRAY[1]) AS one ON true
ON CONFLICT (id) DO UPDATE SET leased_at = excluded.leased_at
"""


def test_a_statement_that_keeps_the_rules_is_let_through() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("SELECT 1; SELECT 2;", "holds 2 statements, not one"),
        ("", "holds 0 statements, not one"),
        ("SELECT $1::text", "$1 is not told in the header"),
        ("SELECT id FROM ready", "table ready does not name its schema"),
        ("SELECT id FROM gosynq.ready JOIN queues ON true", "table queues does not name its schema"),
        ("UPDATE running SET progress = NULL", "table running does not name its schema"),
        ("DELETE FROM other.ready", "table other.ready does not name its schema"),
        ("SELECT clock_timestamp()", "clock_timestamp is not statement_timestamp() or a parameter"),
        ("SELECT now()", "now is not statement_timestamp() or a parameter"),
        ("SELECT random()", "random is not statement_timestamp() or a parameter"),
        ("SELECT CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP is not statement_timestamp() or a parameter"),
        (
            "DELETE FROM gosynq.ready WHERE id IN (SELECT id FROM gosynq.ready LIMIT (1) FOR UPDATE SKIP LOCKED)",
            "locks rows in a subquery under IN; use a MATERIALIZED CTE or = ANY(ARRAY(...))",
        ),
        (
            "SELECT id FROM gosynq.ready WHERE (id, queue) IN (SELECT job_id, queue FROM gosynq.payloads)",
            "compares a row with IN; join with unnest instead",
        ),
        ("SET search_path = gosynq", "SET keeps state in the session"),
        ("SELECT pg_advisory_lock(1)", "pg_advisory_lock keeps state in the session"),
        ("select 1", "keyword select in lower case"),
    ],
)
def test_a_broken_rule_is_named(body: str, finding: str) -> None:
    assert findings(f"-- Shows what is wrong. Locks: none.\n{body}\n") == [finding]


def test_a_parameter_that_is_told_and_not_used_is_named() -> None:
    assert findings("-- Reads one. $1 id. Locks: none.\nSELECT 1\n") == ["$1 is told and not used"]


def test_a_file_without_a_purpose_is_refused() -> None:
    assert findings("SELECT 1\n") == ["does not begin with a comment that says its purpose"]


def test_a_plain_subquery_under_in_is_let_through() -> None:
    sql = "-- Reads some. Locks: none.\nSELECT id FROM gosynq.ready WHERE id IN (SELECT job_id FROM gosynq.payloads)\n"
    assert findings(sql) == []
