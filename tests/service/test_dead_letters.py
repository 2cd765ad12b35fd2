"""Dead letters on a real database: listed, put back to work, and deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gosynq_client.worker.outcomes import AttemptError, Failed, Succeeded
from gosynq_server.domain.bulk import BulkQuery
from gosynq_server.domain.errors import PageTokenInvalid, QueueDeleting, QueueDraining
from gosynq_server.domain.job import JobId
from gosynq_server.domain.listing import DeadLetterQuery
from gosynq_server.service import dead_letters
from tests.service.house import FAILED, FATAL, HOUR, SECOND, House
from tests.service.invariants import events_of

ALL = BulkQuery(filter='id != ""')
LATER = datetime(2100, 1, 1, tzinfo=UTC)
NO_TIME = timedelta()


async def _dead(house: House, *, error_type: str = "Boom", **spec: Any) -> JobId:
    """Add a job that fails for good."""
    job = await house.add(**{"max_retries": 0} | spec)
    lease = await house.lease_one(queue=spec.get("queue", "q"), kinds=(spec.get("kind", "k"),))
    assert lease.job_id == job
    await house.settle(lease, Failed(error=AttemptError(type=error_type, message="no luck")))
    return job


async def _listed(house: House, **query: Any) -> list[JobId]:
    """List page by page."""
    ids, token = list[JobId](), ""
    while True:
        page = await house.dead_letters.list(DeadLetterQuery(page_token=token, **{"page_size": 2} | query))
        assert len(page.jobs) <= 2
        ids += [job.id for job in page.jobs]
        if not (token := page.next_page_token):
            return ids


async def _redrive(house: House, query: BulkQuery = ALL, **how: Any) -> Any:
    return await house.dead_letters.redrive(query, **{"target_queue": "", "run_at": None, "spread": NO_TIME} | how)


async def test_dead_letters_are_listed_the_last_to_fail_first(house: House) -> None:
    await house.started()
    cancelled = await house.add()
    await house.jobs.cancel(cancelled, reason="", force=False)
    early = await house.started(max_retries=0)
    others = [await _dead(house) for _ in range(4)]
    await house.settle(early, FAILED)

    assert await _listed(house) == [early.job_id, *others[::-1]]


async def test_dead_letters_of_one_moment_are_all_listed(house: House) -> None:
    ids = [await _dead(house) for _ in range(5)]
    await house.sql.execute("UPDATE gosynq.finished SET finished_at = '2026-01-01Z'")
    for queues in ((), ("q",)):
        assert await _listed(house, queues=queues) == ids[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "dcba"),
        ({"queues": ("q",)}, "dba"),
        ({"queues": ("other", "nothing")}, "c"),
        ({"queues": ("other", "q", "q")}, "dcba"),
        ({"kinds": ("send",)}, "b"),
        ({"kinds": ("send", "k")}, "dcba"),
        ({"error_type": "Timeout"}, "d"),
        ({"error_type": "Tim"}, ""),
        ({"queues": ("q",), "kinds": ("k",), "error_type": "Boom"}, "a"),
        ({"start_at": datetime(2026, 1, 2, tzinfo=UTC)}, "dcb"),
        ({"end_at": datetime(2026, 1, 2, tzinfo=UTC)}, "a"),
        ({"start_at": datetime(2026, 1, 2, tzinfo=UTC), "end_at": datetime(2026, 1, 4, tzinfo=UTC)}, "cb"),
        ({"queues": ("q",), "start_at": datetime(2026, 1, 2, tzinfo=UTC)}, "db"),
    ],
)
async def test_dead_letters_are_listed_by_what_is_asked(house: House, query: dict[str, Any], expected: str) -> None:
    ids = {
        "a": await _dead(house),
        "b": await _dead(house, kind="send"),
        "c": await _dead(house, queue="other"),
        "d": await _dead(house, error_type="Timeout"),
    }
    for day, job in enumerate(ids.values(), 1):
        await house.sql.execute(
            "UPDATE gosynq.finished SET finished_at = '2026-01-01Z'::timestamptz + ($1 - 1) * interval '1 day'"
            " WHERE id = $2",
            day,
            job,
        )
    assert await _listed(house, **query) == [ids[name] for name in expected]


async def test_the_last_error_counts(house: House) -> None:
    lease = await house.started(max_retries=1)
    await house.settle(lease, Failed(error=AttemptError(type="First", message="")))
    await house.make_due()
    await house.settle(await house.lease_one(), Failed(error=AttemptError(type="Second", message="")))
    assert await _listed(house, error_type="First") == []
    assert await _listed(house, error_type="Second") == [lease.job_id]


async def test_a_page_for_which_little_is_found_is_short_and_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_LOOK", 1)
    monkeypatch.setattr(dead_letters, "_LOOKING_SECONDS", -1.0)
    wanted = await _dead(house, error_type="Rare")
    for _ in range(5):
        await _dead(house)
    first = await house.dead_letters.list(DeadLetterQuery(error_type="Rare", page_size=2))
    assert (first.jobs, bool(first.next_page_token)) == ((), True)
    assert await _listed(house, error_type="Rare") == [wanted]


async def test_a_token_goes_with_its_list_alone(house: House) -> None:
    for _ in range(2):
        await _dead(house)
    token = (await house.dead_letters.list(DeadLetterQuery(page_size=1))).next_page_token
    for other in (DeadLetterQuery(queues=("q",), page_token=token), DeadLetterQuery(page_token=f"{token[:-1]}A")):
        with pytest.raises(PageTokenInvalid):
            await house.dead_letters.list(other)


async def test_the_content_is_there_where_it_is_asked_for(house: House) -> None:
    await _dead(house, payload=b"p" * 2000)
    for with_content in (False, True):
        (job,) = (await house.dead_letters.list(DeadLetterQuery(with_content=with_content))).jobs
        assert (job.payload is not None) is with_content
        assert job.last_error is not None


async def test_a_redriven_job_runs_anew_and_its_attempts_stay_listed(house: House) -> None:
    job = await _dead(house, idempotency_key="key", labels={"a": "b"}, fairness_key="f")
    await house.sql.execute("UPDATE gosynq.finished SET ordering_key = 'o'")

    summary = await _redrive(house)

    assert (summary.affected, summary.skipped, summary.sample) == (1, 0, (job,))
    pending = await house.job(job)
    assert (pending.status, pending.attempt, pending.idempotency_key) == ("pending", 0, "key")
    assert (pending.labels, pending.fairness_key, pending.ordering_key) == ({"a": "b"}, "f", "o")
    assert await events_of(house.sql, job) == ["created", "started", "failed", "dead_lettered", "requeued"]
    assert len((await house.jobs.attempts(job, page_size=9, page_token="")).attempts) == 1
    assert house.heard.scheduled == ["q"]


async def test_a_filter_looks_at_dead_letters_alone_and_ids_of_others_are_skipped(house: House) -> None:
    cancelled = await house.add()
    await house.jobs.cancel(cancelled, reason="", force=False)
    ready, dead = await house.add(), await _dead(house, queue="other")
    for filter_, job_ids, skipped in (('id != ""', (), 0), ("", (cancelled, ready, dead), 2)):
        query = BulkQuery(filter=filter_, job_ids=job_ids, validate_only=True)
        for call in (_redrive(house, query), house.dead_letters.purge(query)):
            summary = await call
            assert (summary.skipped, summary.sample) == (skipped, (dead,))


async def test_a_filter_for_other_jobs_finds_none(house: House) -> None:
    await _dead(house)
    summary = await _redrive(house, BulkQuery(filter="status = cancelled"))
    assert (summary.affected, summary.skipped, summary.next_page_token) == (0, 0, "")


async def test_only_what_would_be_done_is_said_and_no_queue_is_made(house: House) -> None:
    job = await _dead(house)
    summary = await _redrive(house, BulkQuery(filter="kind = k", validate_only=True), target_queue="new")
    assert (summary.affected, (await house.job(job)).status) == (1, "failed")
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queues WHERE name = 'new'") == 0


@pytest.mark.parametrize("run_at", [None, LATER])
async def test_starts_are_spread_evenly_over_a_time_beyond_chunks(
    house: House, run_at: datetime | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gosynq_server.service.bulk._CHUNK", 2)
    jobs = [await _dead(house) for _ in range(5)]

    await _redrive(house, run_at=run_at, spread=100 * SECOND)

    starts = [(await house.job(job)).run_at for job in jobs]
    assert [start - starts[0] for start in starts] == [place * 20 * SECOND for place in range(5)]
    assert run_at is None or starts[0] == run_at
    assert run_at is not None or abs(starts[0] - datetime.now(UTC)) < HOUR


async def test_a_job_goes_to_another_queue_with_its_payload_and_attempts_and_leaves_its_key(house: House) -> None:
    job = await _dead(house, payload=b"p" * 2000, idempotency_key="key", headers={"h": "1"})
    small = await _dead(house, payload=b"small")
    await house.sql.execute("UPDATE gosynq.finished SET concurrency_key = 'c'")

    summary = await _redrive(house, target_queue="new")

    assert summary.affected == 2
    moved = await house.job(job)
    assert (moved.queue, moved.status, moved.payload, moved.headers) == ("new", "pending", b"p" * 2000, {"h": "1"})
    assert (moved.idempotency_key, moved.concurrency_key) == ("", "c")
    assert (await house.job(small)).payload == b"small"
    assert len((await house.jobs.attempts(job, page_size=9, page_token="")).attempts) == 1
    queues = await house.sql.fetch(
        "SELECT queue FROM gosynq.attempts UNION SELECT queue FROM gosynq.payloads"
        " UNION SELECT queue FROM gosynq.idempotency_keys"
    )
    assert [row["queue"] for row in queues] == ["new"]
    assert await house.add(idempotency_key="key") != job
    assert house.heard.scheduled == ["new"]
    told = await house.sql.fetch("SELECT queue FROM gosynq.events WHERE type = 'requeued'")
    assert [row["queue"] for row in told] == ["new"]


async def test_a_moved_job_is_run_under_the_settings_of_its_new_queue(house: House) -> None:
    job = await house.add()
    await house.settle(await house.lease_one(), FATAL)
    await house.sql.execute("INSERT INTO gosynq.queues (name, max_retries) VALUES ('new', 9)")
    await _redrive(house, target_queue="new")
    await house.make_due()
    lease = await house.lease_one(queue="new")
    assert (lease.job_id, lease.max_retries, lease.lease_seq) == (job, 9, 2)
    await house.settle(lease, Succeeded())


async def test_jobs_that_are_in_the_target_already_stay_there_with_their_keys(house: House) -> None:
    here, there = await _dead(house, idempotency_key="key"), await _dead(house, queue="other")
    summary = await _redrive(house, target_queue="q")
    assert summary.affected == 2
    assert [(await house.job(job)).queue for job in (here, there)] == ["q", "q"]
    assert (await house.job(here)).idempotency_key == "key"


@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_draining_queue_takes_no_dead_letters_of_others(house: House, validate_only: bool) -> None:
    await _dead(house)
    await house.sql.execute("INSERT INTO gosynq.queues (name, state) VALUES ('new', 'draining')")
    with pytest.raises(QueueDraining):
        await _redrive(house, BulkQuery(filter="kind = k", validate_only=validate_only), target_queue="new")


async def test_a_queue_that_is_being_deleted_takes_no_dead_letters_of_others(house: House) -> None:
    letter = await _dead(house)
    await house.sql.execute("INSERT INTO gosynq.queues (name, state, is_deleting) VALUES ('new', 'paused', true)")
    with pytest.raises(QueueDeleting):
        await _redrive(house, target_queue="new")
    assert await house.stage(letter) == "finished"


async def test_purged_dead_letters_are_gone_with_all_that_belongs_to_them(house: House) -> None:
    await _dead(house, payload=b"p" * 2000, idempotency_key="key")
    kept = await house.add()
    summary = await house.dead_letters.purge(ALL)
    assert (summary.affected, summary.skipped) == (1, 0)
    for table in ("finished", "attempts", "payloads", "idempotency_keys"):
        assert await house.sql.fetchval(f"SELECT count(*) FROM gosynq.{table}") == 0  # noqa: S608 - from above
    assert await house.stage(kept) == "ready"


async def test_two_redrives_at_once_put_each_job_back_once(house: House, elsewhere: House) -> None:
    for _ in range(20):
        await _dead(house)
    calls = [_redrive(house), _redrive(elsewhere, target_queue="new"), house.dead_letters.purge(ALL)]
    summaries = await asyncio.gather(*calls)
    assert sum(summary.affected for summary in summaries) == 20
    assert await _listed(house) == []
