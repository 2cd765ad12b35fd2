"""What must hold of the tables after anything that was done to them."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from gosynq_server.domain.job import JobStatus
from gosynq_server.domain.lifecycle import TERMINAL, EventType, may_follow
from tests.service.house import Connection

_STAGES = ("scheduled", "ready", "running", "finished")
_EVENTS = """
SELECT event.type, event.status, event.id AS place, told.id::text AS id, told.revision, told.attempt,
    cardinality(event.kinds) AS kinds, cardinality(event.job_ids) AS ids
FROM gosynq.events AS event
CROSS JOIN LATERAL unnest(event.job_ids, event.revisions, event.attempts) AS told (id, revision, attempt)
ORDER BY told.id, told.revision, event.id
"""
_TOTALS = """
SELECT total.queue, told.status, told.jobs
FROM gosynq.queue_totals(NULL) AS total
CROSS JOIN LATERAL (
    VALUES ('pending', pending), ('processing', processing), ('completed', completed), ('failed', failed),
        ('cancelled', cancelled)
) AS told (status, jobs)
WHERE told.jobs <> 0
ORDER BY total.queue, told.status
"""
_STORED = "SELECT queue, status, count(*) AS jobs FROM gosynq.jobs GROUP BY queue, status ORDER BY queue, status"


async def events_of(sql: Connection, job_id: str) -> list[str]:
    """Name what happened to one job, in order."""
    return [row["type"] for row in await sql.fetch(_EVENTS) if row["id"] == job_id]


async def check_invariants(sql: Connection, *, pruned: bool = False) -> None:
    """Assert that no job was lost or doubled and that the events tell of each exactly what happened.

    pruned says that terminal jobs may be gone, and events too.
    """
    jobs = await _jobs_in_one_stage_each(sql)
    events: defaultdict[str, list[Any]] = defaultdict(list)
    for row in await sql.fetch(_EVENTS):
        assert row["kinds"] == row["ids"]
        events[row["id"]].append(row)
    assert pruned or set(jobs) <= set(events), "a job without events"
    for job_id, story in events.items():
        if job_id in jobs or not (pruned and JobStatus(story[-1]["status"]) in TERMINAL):
            _check_story(story, jobs.get(job_id))
    await _check_what_stands_beside(sql)
    await check_counts(sql)


async def check_counts(sql: Connection) -> None:
    """Assert that the numbers of jobs are those of the tables, whether the last events are counted yet or not."""
    assert await sql.fetch(_TOTALS) == await sql.fetch(_STORED), "before the count"
    await sql.execute("SELECT gosynq.count_events('0')")
    assert await sql.fetch(_TOTALS) == await sql.fetch(_STORED), "after the count"


async def _jobs_in_one_stage_each(sql: Connection) -> dict[str, Any]:
    jobs: dict[str, Any] = {}
    for row in await sql.fetch("SELECT *, id::text AS job_id FROM gosynq.jobs"):
        assert row["job_id"] not in jobs, f"{row['job_id']} is in two stages"
        assert row["failures"] + row["deliveries"] <= row["lease_seq"]
        assert row["stage"] in _STAGES
        jobs[row["job_id"]] = row
    return jobs


def _check_story(story: list[Any], job: Any) -> None:
    told = [(row["type"], row["status"], row["revision"]) for row in story]
    assert [row["revision"] for row in story] == list(range(1, len(story) + 1)), told
    assert story == sorted(story, key=lambda row: row["place"]), told
    before: JobStatus | None = None
    for row in story:
        event = EventType(row["type"])
        after = None if event is EventType.DELETED else JobStatus(row["status"])
        assert may_follow(before, event, after), told
        before = after
    for first, second in pairwise(story):
        if (first["type"], first["status"]) == ("failed", "failed"):
            assert second["type"] == "dead_lettered", told
    assert (None if job is None else JobStatus(job["status"])) == before, told
    if job is not None:
        assert job["revision"] == story[-1]["revision"], told


async def _check_what_stands_beside(sql: Connection) -> None:
    strays = {
        "payload without job": "SELECT job_id FROM gosynq.payloads AS payload WHERE NOT EXISTS"
        " (SELECT FROM gosynq.jobs AS job WHERE job.id = payload.job_id AND job.payload IS NULL)",
        "job without payload": "SELECT id FROM gosynq.jobs AS job WHERE payload IS NULL AND NOT EXISTS"
        " (SELECT FROM gosynq.payloads AS payload WHERE payload.job_id = job.id AND payload.queue = job.queue)",
        "attempt without job": "SELECT job_id FROM gosynq.attempts AS attempt WHERE NOT EXISTS"
        " (SELECT FROM gosynq.jobs AS job WHERE job.id = attempt.job_id)",
        "attempt of a lease that was never granted": "SELECT job_id FROM gosynq.attempts AS attempt JOIN gosynq.jobs"
        " AS job ON job.id = attempt.job_id WHERE attempt.lease_seq > job.lease_seq",
    }
    for problem, query in strays.items():
        assert await sql.fetch(query) == [], problem
