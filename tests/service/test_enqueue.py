"""What is enqueued is there afterwards, whole, and in the stage that its start means."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from gosynq_client.worker.outcomes import Released, Snoozed
from gosynq_server.domain.cursors import encode_cursor
from gosynq_server.domain.errors import (
    DatabaseUnavailable,
    GosynqError,
    PayloadTooLarge,
    QueueDraining,
    ServerDraining,
    ValidationFailed,
)
from gosynq_server.domain.event import EventFilter
from gosynq_server.domain.job import Job, JobId, JobSpec, JobStatus, Priority, Stage
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.queue import QueueDefaults
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicy, RetryPolicyOverride
from gosynq_server.domain.watching import WatchQuery
from gosynq_server.service import group_commit
from gosynq_server.service.adding import Enqueued
from gosynq_server.service.enqueue import Enqueuer
from tests.service.house import DAY, FAILED, HOUR, PATIENCE_SECONDS, SECOND, WINDOW, House, until_blocked_by

LATER = datetime(2100, 1, 1, 12, tzinfo=UTC)
PLAIN = JobSpec(queue="q", kind="k")
WHOLE = JobSpec(
    queue="mail.out",
    kind="send",
    payload=b'{"to":"\\u0000"}\xff',
    content_type="application/x-anything",
    priority=Priority.CRITICAL,
    max_retries=0,
    max_deliveries=1,
    run_at=LATER,
    idempotency_key="a key ~",
    labels={"tenant": "Zürich \U0001f600", "empty": ""},
    headers={"traceparent": "00-1"},
    retry_policy=RetryPolicyOverride(
        strategy=BackoffStrategy.FIXED,
        initial_backoff=timedelta(seconds=1, microseconds=1),
        multiplier=1.5,
        max_backoff=DAY,
        jitter=0.0,
    ),
    lease_duration=HOUR,
    attempt_timeout=DAY,
    expires_at=LATER + DAY,
    retention=timedelta(0),
)


async def test_every_field_comes_back_as_it_was_said(house: House) -> None:
    (added,) = await house.enqueuer.enqueue_all([WHOLE])

    job = await house.job(added.job_id)

    assert job == Job(
        id=JobId(added.job_id),
        queue="mail.out",
        kind="send",
        status=JobStatus.PENDING,
        stage=Stage.SCHEDULED,
        priority=Priority.CRITICAL,
        payload=WHOLE.payload,
        content_type=WHOLE.content_type,
        max_retries=0,
        max_deliveries=1,
        failures=0,
        deliveries=0,
        retry_policy=RetryPolicy(
            strategy=BackoffStrategy.FIXED,
            initial_backoff=timedelta(seconds=1, microseconds=1),
            multiplier=1.5,
            max_backoff=DAY,
            jitter=0.0,
        ),
        lease_duration=HOUR,
        attempt_timeout=DAY,
        retention=timedelta(0),
        created_at=job.created_at,
        run_at=LATER,
        updated_at=job.created_at,
        expires_at=LATER + DAY,
        idempotency_key="a key ~",
        labels=WHOLE.labels,
        headers=WHOLE.headers,
    )


async def test_every_field_survives_the_whole_life_of_a_job(house: House) -> None:
    (added,) = await house.enqueuer.enqueue_all([replace(WHOLE, max_retries=9, max_deliveries=9, payload=b"x" * 5000)])
    before = await house.job(added.job_id)
    for outcome in (FAILED, Snoozed(delay=HOUR), Released(), FAILED):
        await house.make_due()
        lease = await house.lease_one(queue="mail.out", kinds=["send"])
        await house.settle(lease, outcome)
    await house.jobs.cancel(before.id, reason="", force=False)
    await house.jobs.retry(before.id, run_at=LATER)

    after = await house.job(before.id)

    moved = {"lease_seq", "revision", "updated_at", "started_at", "last_error", "expires_at", "stage"}
    for name in {field.name for field in fields(Job)} - moved:
        assert getattr(after, name) == getattr(before, name), name


async def test_what_is_not_said_is_the_queues(house: House) -> None:
    job = await house.job(await house.add())

    defaults = QueueDefaults()
    assert (job.priority, job.max_retries, job.max_deliveries) == (Priority.NORMAL, 4, 5)
    assert (job.retry_policy, job.lease_duration) == (defaults.retry_policy, defaults.lease_duration)
    assert (job.payload, job.labels, job.headers) == (b"{}", {}, {})


async def test_a_queues_own_settings_go_before_the_servers(house: House) -> None:
    await house.sql.execute(
        "INSERT INTO gosynq.queues (name, priority, max_retries, retry_policy, retention)"
        " VALUES ('q', 4, 0, '{\"strategy\":\"fixed\",\"initial_backoff\":60}', '2 hours')"
    )

    job = await house.job(await house.add())

    assert (job.priority, job.max_retries, job.retention) == (Priority.CRITICAL, 0, 2 * HOUR)
    assert job.retry_policy == RetryPolicy(strategy=BackoffStrategy.FIXED, initial_backoff=60 * SECOND)


@pytest.mark.parametrize(("size", "apart"), [(0, 0), (1, 0), (1024, 0), (1025, 1), (256 * 1024, 1)])
async def test_a_large_payload_stands_apart_and_is_read_all_the_same(house: House, size: int, apart: int) -> None:
    payload = b"\x00" * size
    job_id = await house.add(payload=payload)

    assert (await house.job(job_id)).payload == payload
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.payloads") == apart
    assert (await house.lease_one()).payload == payload


@pytest.mark.parametrize(
    ("timing", "stage"),
    [
        ({}, Stage.READY),
        ({"delay": timedelta(0)}, Stage.READY),
        ({"delay": -HOUR}, Stage.READY),
        ({"delay": HOUR}, Stage.SCHEDULED),
        ({"run_at": LATER}, Stage.SCHEDULED),
        ({"run_at": datetime(2000, 1, 1, tzinfo=UTC)}, Stage.READY),
    ],
)
async def test_the_start_decides_the_stage(house: House, timing: dict[str, timedelta | datetime], stage: Stage) -> None:
    answer = await house.enqueuer.enqueue(JobSpec(queue="q", kind="k", **timing))  # type: ignore[arg-type] # a table

    assert answer.job is not None
    assert answer.job.stage is stage
    read = await house.jobs.get(answer.job_id, with_content=False)
    assert read.stage is stage
    assert read == replace(answer.job, headers={})


async def test_a_delay_counts_from_the_databases_now(house: House) -> None:
    job = await house.job(await house.add(delay=HOUR))

    assert job.run_at == job.created_at + HOUR


async def test_the_answer_of_a_single_enqueue_is_the_job_as_it_is_read(house: House) -> None:
    begin = await house.ticker.now()
    answer = await house.enqueuer.enqueue(WHOLE)

    read = await house.jobs.get(answer.job_id, with_content=False)
    assert answer == Enqueued(job_id=read.id, status=JobStatus.PENDING, deduplicated=False, job=read, begin=begin)


async def test_a_job_s_events_begin_where_the_answer_says_and_only_where_it_made_the_job(house: House) -> None:
    await house.ticker.now()
    for number in range(20):
        answer = await house.enqueuer.enqueue(JobSpec(queue="q", kind="k", idempotency_key=str(number)))
        assert answer.begin is not None

        wanted = EventFilter(job_ids=frozenset({JobId(answer.job_id)}))
        watch = house.watches.watch(WatchQuery(cursor=encode_cursor(answer.begin), wanted=wanted))
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(watch) as deliveries:
            delivery = await anext(deliveries)
            while not delivery.matches:
                delivery = await anext(deliveries)
        assert delivery.matches[0].row.type is EventType.CREATED

    again = await house.enqueuer.enqueue(JobSpec(queue="q", kind="k", idempotency_key="0"))
    (of_batch,) = await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k")])
    assert (again.begin, of_batch.begin) == (None, None)


async def test_a_queue_is_made_on_first_use(house: House) -> None:
    await house.add(queue="new")

    assert await house.sql.fetchval("SELECT state FROM gosynq.queues WHERE name = 'new'") == "active"


async def test_a_check_makes_neither_job_nor_queue(house: House) -> None:
    answer = await house.enqueuer.check(WHOLE)

    assert (answer.job_id, answer.deduplicated) == ("", False)
    assert answer.job is not None
    assert (answer.job.stage, answer.job.run_at) == (Stage.SCHEDULED, LATER)
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.queues") == 0


TOO_LARGE = replace(PLAIN, payload=b"x" * (256 * 1024 + 1))


async def test_a_payload_over_the_limit_is_refused_and_the_limit_is_named(house: House) -> None:
    for refuse in (house.enqueuer.enqueue, house.enqueuer.check):
        with pytest.raises(PayloadTooLarge) as refusal:
            await refuse(TOO_LARGE)
        assert refusal.value.metadata == {"size": "262145", "limit": "262144"}


async def test_a_draining_queue_takes_nothing_new(house: House) -> None:
    await house.sql.execute("INSERT INTO gosynq.queues (name, state) VALUES ('q', 'draining')")

    for spec in (PLAIN, replace(PLAIN, idempotency_key="a")):
        for refuse in (house.enqueuer.enqueue, house.enqueuer.check):
            with pytest.raises(QueueDraining):
                await refuse(spec)
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.idempotency_keys") == 0


@pytest.mark.parametrize("where", ["labels", "headers"])
@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_text_that_no_database_holds_is_refused_by_itself(house: House, where: str, text: str) -> None:
    unstorable = replace(PLAIN, **{where: {"a": text}})  # type: ignore[arg-type] # either is a mapping

    good, bad = await house.enqueuer.enqueue_each([PLAIN, unstorable])

    assert isinstance(good, Enqueued)
    assert isinstance(bad, ValidationFailed)
    assert bad.violations[0].field == where


async def test_a_batch_is_all_or_nothing(house: House) -> None:
    with pytest.raises(PayloadTooLarge):
        await house.enqueuer.enqueue_all([PLAIN, replace(PLAIN, queue="q2"), TOO_LARGE])

    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 0


async def test_a_batch_refused_by_the_database_leaves_nothing_in_any_queue(house: House) -> None:
    await house.add(queue="z", idempotency_key="taken")

    with pytest.raises(GosynqError):
        await house.enqueuer.enqueue_all(
            [replace(PLAIN, queue="a"), replace(PLAIN, queue="z", idempotency_key="taken", kind="other")]
        )

    assert [row["queue"] for row in await house.sql.fetch("SELECT queue FROM gosynq.jobs")] == ["z"]


async def test_a_batch_is_answered_in_its_order(house: House) -> None:
    specs = [JobSpec(queue=f"q{number % 3}", kind=f"k{number}", idempotency_key=f"{9 - number}") for number in range(9)]

    answers = await house.enqueuer.enqueue_all(specs)

    kinds = [(await house.job(answer.job_id)).kind for answer in answers]
    assert kinds == [spec.kind for spec in specs]
    assert [answer.job_id for answer in answers] == sorted(answer.job_id for answer in answers)


async def test_items_stand_each_for_itself(house: House) -> None:
    answers = await house.enqueuer.enqueue_each([PLAIN, TOO_LARGE, replace(PLAIN, queue="q2")])

    assert [type(answer) for answer in answers] == [Enqueued, PayloadTooLarge, Enqueued]
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 2


async def test_no_jobs_are_no_work(house: House) -> None:
    assert await house.enqueuer.enqueue_all([]) == []
    assert await house.enqueuer.enqueue_each([]) == []


async def test_concurrent_calls_share_statements(house: House) -> None:
    answers = await asyncio.gather(*(house.enqueuer.enqueue(PLAIN) for _ in range(200)))

    assert len({answer.job_id for answer in answers}) == 200
    assert house.database.names.count("jobs_insert") <= 3


async def test_in_a_group_only_the_bad_call_is_refused(house: House) -> None:
    specs = [PLAIN, TOO_LARGE, PLAIN]

    answers = await asyncio.gather(*(house.enqueuer.enqueue(spec) for spec in specs), return_exceptions=True)

    assert [type(answer) for answer in answers] == [Enqueued, PayloadTooLarge, Enqueued]


async def test_a_call_alone_does_not_linger(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    lingered: list[float] = []

    async def linger(seconds: float) -> None:
        # The ticker of the house sleeps too, by the same name.
        if seconds == group_commit.STEP_SECONDS:
            lingered.append(seconds)

    monkeypatch.setattr("gosynq_server.service.group_commit.asyncio.sleep", linger)
    for _ in range(3):
        await house.enqueuer.enqueue(PLAIN)
    assert lingered == []

    await asyncio.gather(*(house.enqueuer.enqueue(PLAIN) for _ in range(8)))
    await house.enqueuer.enqueue(PLAIN)
    assert len(lingered) == 1


async def test_when_the_database_fails_every_call_of_the_group_is_refused(house: House) -> None:
    await house.add()
    await house.sql.execute("ALTER TABLE gosynq.queues RENAME TO elsewhere")
    await house.sql.execute("ALTER SCHEMA gosynq RENAME TO away")
    try:
        answers = await asyncio.gather(*(house.enqueuer.enqueue(PLAIN) for _ in range(5)), return_exceptions=True)
    finally:
        await house.sql.execute("ALTER SCHEMA away RENAME TO gosynq")
        await house.sql.execute("ALTER TABLE gosynq.elsewhere RENAME TO queues")

    assert all(isinstance(answer, Exception) for answer in answers)
    assert (await house.enqueuer.enqueue(PLAIN)).job_id


async def test_calls_whose_connection_breaks_are_told_that_the_outcome_is_unknown(house: House) -> None:
    await house.add()
    async with house.sql.transaction():
        await house.sql.execute("LOCK TABLE gosynq.ready IN EXCLUSIVE MODE")
        calls = [asyncio.ensure_future(house.enqueuer.enqueue(PLAIN)) for _ in range(3)]
        await until_blocked_by(house.sql, house.sql.get_server_pid())
        await house.sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert any(isinstance(answer, DatabaseUnavailable) for answer in answers)


async def test_after_the_end_of_its_run_an_enqueuer_refuses_calls(house: House) -> None:
    enqueuer = Enqueuer(house.database, house.queues, house.wakeups, house.ticker, window=WINDOW)
    with pytest.raises(ServerDraining):
        await enqueuer.enqueue(PLAIN)

    running = asyncio.create_task(enqueuer.run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    with pytest.raises(ServerDraining):
        await enqueuer.enqueue(PLAIN)


async def test_calls_that_wait_when_the_run_ends_are_refused(house: House) -> None:
    enqueuer = Enqueuer(house.database, house.queues, house.wakeups, house.ticker, window=WINDOW)
    running = asyncio.create_task(enqueuer.run())
    await asyncio.sleep(0)
    calls = [asyncio.ensure_future(enqueuer.enqueue(PLAIN)) for _ in range(3)]
    await asyncio.sleep(0)

    running.cancel()

    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ServerDraining] * 3


async def test_added_jobs_are_told_of_after_the_commit(house: House) -> None:
    await house.enqueuer.enqueue_all([PLAIN, replace(PLAIN, queue="later", delay=HOUR)])

    assert sorted(house.heard.ready) == ["later", "q"]
    assert house.heard.scheduled == ["later"]
