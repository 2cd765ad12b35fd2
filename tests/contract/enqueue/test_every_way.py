"""A job is added, refused, found again and told of alike, whichever way it comes: SQL, gRPC or REST."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from gosynq_client.worker.outcomes import Succeeded
from tests.contract.enqueue.ways import Added, Refused, Way
from tests.service.house import HOUR, SECOND, House
from tests.service.invariants import events_of

SOON = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

SPECS: dict[str, dict[str, Any]] = {
    "nothing but its queue": {"kind": ""},
    "all that does not exclude the rest": {
        "payload": {"b": [1, 2.5, None, {"z": "ü\n", "a": True}], "aa": -3, "a": 1e300, "e": {}, "l": []},
        "priority": "critical",
        "run_at": SOON,
        "max_retries": 0,
        "max_deliveries": 1000,
        "labels": {"tenant": "acme", "a/b": ""},
        "headers": {"traceparent": "00-1", "x": "é"},
        "retry_policy": {
            "strategy": "fixed",
            "initial_backoff": "1.5s",
            "multiplier": 2,
            "max_backoff": "604800s",
            "jitter": 0.00001,
        },
        "lease_duration": timedelta(seconds=1, microseconds=1),
        "attempt_timeout": timedelta(days=7),
        "expires_at": SOON + MICROSECOND,
        "retention": timedelta(0),
        "concurrency_key": "a key",
        "fairness_key": "~",
        "idempotency_key": "x" * 255,
    },
    "an empty policy": {"retry_policy": {}, "idempotency_key": "a"},
    "a delay": {"delay": timedelta(days=365)},
    "no delay": {"delay": timedelta(0)},
    "a start that was": {"run_at": PAST},
    "an ordering key": {"ordering_key": "a", "delay": HOUR},
    "an ordering key that is due": {"ordering_key": "a"},
    "bytes": {"payload_bytes": b"\x00\xff", "content_type": "image/png"},
    "no bytes": {"payload_bytes": b"", "content_type": "image/png"},
    "JSON bytes": {"payload_bytes": b' [1.0, "\\u0000"] ', "content_type": "application/json"},
    "a payload that stands inside": {"payload": {"a": "x" * 1016}},
    "a payload that stands apart": {"payload": {"a": "x" * 1017}},
    "the largest payload": {"payload_bytes": b"x" * 262_144, "content_type": "a/b"},
}

_ROW = """
SELECT
    job.queue, job.kind, job.status, job.stage, job.priority, job.run_at - job.created_at AS wait,
    CASE WHEN job.run_at < job.created_at OR job.expires_at IS NOT NULL THEN job.run_at END AS run_at,
    job.expires_at, job.revision, job.lease_seq, job.failures, job.deliveries, job.max_retries, job.max_deliveries,
    extract(epoch from job.lease_duration) AS lease_duration,
    extract(epoch from job.attempt_timeout) AS attempt_timeout,
    extract(epoch from job.retention) AS retention, job.retry_policy, job.labels, job.headers, job.content_type,
    job.payload, stored.data, job.schedule_id, job.concurrency_key, job.ordering_key, job.fairness_key,
    job.id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]' AS has_version,
    abs(
        extract(epoch from job.created_at) - ('x' || left(replace(job.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0
    ) < 5 AS is_young,
    extract(epoch from coalesce(held.rank, ready.rank) - job.created_at) AS rank,
    ready.ready_at = job.created_at AS at_once,
    (SELECT jsonb_agg(to_jsonb(event) - '{id,xid,day,occurred_at,job_ids}'::text[])
     FROM gosynq.events AS event WHERE job.id = ANY(event.job_ids)) AS events,
    (SELECT encode(key.fingerprint, 'hex') FROM gosynq.idempotency_keys AS key WHERE key.job_id = job.id) AS fingerprint
FROM gosynq.jobs AS job
LEFT JOIN gosynq.payloads AS stored ON stored.job_id = job.id
LEFT JOIN gosynq.scheduled AS held ON held.id = job.id
LEFT JOIN gosynq.ready AS ready ON ready.id = job.id
WHERE job.id = $1
"""


async def row_of(house: House, answer: Added | Refused) -> dict[str, Any]:
    """Read all that is stored of a job, but what is of its moment."""
    assert isinstance(answer, Added), answer
    row = dict(await house.sql.fetchrow(_ROW, answer.job_id))  # type: ignore[arg-type] # it is there
    if row["retry_policy"]:
        row["retry_policy"] = json.loads(row["retry_policy"])
    if row["run_at"]:
        row["wait"] = None
    return row


async def add(way: Way, **spec: Any) -> str:
    answer = await way.enqueue(**spec)
    assert isinstance(answer, Added), answer
    return answer.job_id


async def test_what_is_stored_of_a_job_is_the_same(house: House, ways: dict[str, Way]) -> None:
    rows = {}
    for name, spec in SPECS.items():
        for title, way in ways.items():
            rows[name, title] = await row_of(house, await way.enqueue(**spec))
            await house.sql.execute("DELETE FROM gosynq.idempotency_keys")
    for name in SPECS:
        assert rows[name, "sql"] == rows[name, "grpc"], name
        assert rows[name, "rest"] == rows[name, "grpc"], name
        assert rows[name, "grpc"]["has_version"]
        assert rows[name, "grpc"]["is_young"]


LONG = "x" * 256
REFUSALS: dict[str, tuple[dict[str, Any], Refused]] = {
    **{
        f"{field} {value!r:.40}": ({field: value}, Refused(reason="VALIDATION_FAILED", field=broken))
        for field, value, broken in [
            ("queue", "", "queue"),
            ("queue", "a b", "queue"),
            ("queue", "a\n", "queue"),
            ("queue", "x" * 129, "queue"),
            ("kind", "-a", "kind"),
            ("max_retries", -1, "max_retries"),
            ("max_retries", 1001, "max_retries"),
            ("max_deliveries", 0, "max_deliveries"),
            ("delay", -MICROSECOND, "delay"),
            ("delay", timedelta(days=365) + MICROSECOND, "delay"),
            ("lease_duration", SECOND - MICROSECOND, "lease_duration"),
            ("lease_duration", 12 * HOUR + MICROSECOND, "lease_duration"),
            ("attempt_timeout", timedelta(days=8), "attempt_timeout"),
            ("retention", timedelta(days=366), "retention"),
            ("idempotency_key", LONG, "idempotency_key"),
            ("idempotency_key", "ü", "idempotency_key"),
            ("concurrency_key", LONG, "concurrency_key"),
            ("ordering_key", "\t", "ordering_key"),
            ("fairness_key", LONG, "fairness_key"),
            ("debounce_key", LONG, "debounce_key"),
            ("retry_policy", {"initial_backoff": "86401s"}, "retry_policy.initial_backoff"),
            ("retry_policy", {"max_backoff": "-1s"}, "retry_policy.max_backoff"),
            ("retry_policy", {"multiplier": 0.5}, "retry_policy.multiplier"),
            ("retry_policy", {"jitter": 1.5}, "retry_policy.jitter"),
            ("headers", {"x": "y" * 4097}, "headers['x']"),
            ("labels", {"x": "y" * 256}, "labels['x']"),
            ("labels", {f"x{n}": "" for n in range(33)}, "labels"),
            ("run_at", datetime.min.replace(tzinfo=UTC), "run_at"),
            ("expires_at", datetime.max.replace(tzinfo=UTC), "expires_at"),
        ]
    },
    "labels of a bad name": ({"labels": {"A": "b"}}, Refused(reason="VALIDATION_FAILED", field="labels['A']")),
    "bytes that are no JSON": (
        {"payload_bytes": b"{", "content_type": "application/json"},
        Refused(reason="VALIDATION_FAILED", field="payload_bytes"),
    ),
    "half of a pair": (
        {"payload_bytes": b'"\\ud800"', "content_type": "application/json"},
        Refused(reason="VALIDATION_FAILED", field="payload_bytes"),
    ),
    "a number that is none": (
        {"payload_bytes": b"1e400", "content_type": "application/json"},
        Refused(reason="VALIDATION_FAILED", field="payload_bytes"),
    ),
    "too large": (
        {"payload_bytes": b"x" * 262_145, "content_type": "a/b"},
        Refused(reason="PAYLOAD_TOO_LARGE", metadata={"size": "262145", "limit": "262144"}),
    ),
}

PAIRS: dict[str, dict[str, Any]] = {
    "a media type without bytes": {"content_type": "a/b"},
    "bytes without a media type": {"payload_bytes": b"x"},
    "an end before the start": {"run_at": SOON, "expires_at": SOON},
    "two keys that hold back": {"ordering_key": "a", "concurrency_key": "a"},
    "two keys that name a job": {"debounce_key": "a", "idempotency_key": "a"},
    "a mode without its key": {"debounce_mode": "keep"},
}


async def test_a_rule_that_is_broken_is_named_and_nothing_added(house: House, way: Way) -> None:
    found = {name: await way.enqueue(**spec) for name, (spec, _) in REFUSALS.items()}

    assert found == {name: refused for name, (_, refused) in REFUSALS.items()}
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 0


async def test_what_does_not_go_together_is_refused(house: House, way: Way) -> None:
    for name, spec in PAIRS.items():
        refused = await way.enqueue(**spec)
        assert isinstance(refused, Refused), name
        assert refused.reason == "VALIDATION_FAILED", name
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 0


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1) if levels > 1 else 1}


async def test_a_payload_that_nests_too_deep_is_refused(ways: dict[str, Way]) -> None:
    for title, way in ways.items():
        # The body that the payload stands in is a level of the document that comes over REST.
        deepest = nested(31 if title == "rest" else 32)
        assert isinstance(await way.enqueue(payload=deepest), Added), title
        refused = await way.enqueue(payload={"a": deepest})
        assert isinstance(refused, Refused), title
        assert (refused.reason, refused.field.partition(".")[0]) == ("VALIDATION_FAILED", "payload")


async def test_a_key_names_one_job_whichever_ways_meet(house: House, ways: dict[str, Way]) -> None:
    spec = {name: value for name, value in SPECS["all that does not exclude the rest"].items() if name != "retention"}
    for number, (first, second) in enumerate(permutations(ways, 2)):
        keyed = spec | {"idempotency_key": f"a{number}"}
        made = await add(ways[first], **keyed | {"headers": {"x": first}})
        again = await ways[second].enqueue(**keyed, retention=HOUR)
        other = await ways[second].enqueue(**keyed | {"labels": {"tenant": "other"}})
        assert again == Added(job_id=made, deduplicated=True), (first, second)
        assert other == Refused(reason="IDEMPOTENCY_KEY_REUSED", metadata={"job_id": made, "queue": "q"})
    assert await house.sql.fetchval("SELECT count(*) FROM gosynq.jobs") == 6


async def test_a_key_is_held_for_a_while_after_its_job_has_ended(house: House, way: Way) -> None:
    made = await add(way, idempotency_key="a")
    await house.settle(await house.lease_one(), Succeeded())
    held = await way.enqueue(idempotency_key="a")
    await house.sql.execute("UPDATE gosynq.finished SET finished_at = finished_at - interval '25 hours'")
    anew = await way.enqueue(idempotency_key="a", kind="other")

    assert held == Added(job_id=made, deduplicated=True)
    assert isinstance(anew, Added)
    assert not anew.deduplicated
    assert await house.sql.fetchval("SELECT job_id::text FROM gosynq.idempotency_keys") == anew.job_id


async def queue(house: House, **settings: Any) -> None:
    await house.sql.execute("INSERT INTO gosynq.queues (name) VALUES ('q') ON CONFLICT DO NOTHING")
    for name, value in settings.items():
        await house.sql.execute(f"UPDATE gosynq.queues SET {name} = $1", value)  # noqa: S608 - ours
    house.forget_settings()


async def test_a_queue_is_made_on_first_use_and_its_own_settings_hold(house: House, way: Way) -> None:
    first = await add(way)
    assert await house.sql.fetchval("SELECT name FROM gosynq.queues") == "q"
    await queue(house, priority=4, max_payload_bytes=10)
    second = await add(way)

    assert [(await house.job(job)).priority for job in (first, second)] == [2, 4]
    assert (await way.enqueue(payload={"a": "bcdef"})) == Refused(
        reason="PAYLOAD_TOO_LARGE", metadata={"size": "13", "limit": "10"}
    )


async def test_a_paused_queue_takes_jobs(house: House, way: Way) -> None:
    await queue(house, state="paused")
    await add(way)


async def test_a_draining_queue_takes_no_job_and_answers_a_repeat(house: House, way: Way) -> None:
    made = await add(way, idempotency_key="a")
    await queue(house, state="draining")

    refused = Refused(reason="QUEUE_DRAINING", metadata={"queue": "q"})
    assert await way.enqueue() == refused
    assert await way.enqueue(idempotency_key="b") == refused
    assert await way.enqueue(debounce_key="b") == refused
    assert await way.enqueue(idempotency_key="a") == Added(job_id=made, deduplicated=True)


async def test_a_queue_that_is_being_deleted_takes_no_job(house: House, way: Way) -> None:
    await queue(house, is_deleting=True)
    assert await way.enqueue() == Refused(reason="QUEUE_DELETING", metadata={"queue": "q"})


async def test_a_full_queue_takes_no_job_and_answers_a_repeat(house: House, way: Way) -> None:
    await queue(house, max_pending=2)
    made = await add(way, idempotency_key="a")
    await add(way, delay=HOUR)

    refused = Refused(reason="QUEUE_FULL", metadata={"queue": "q", "limit": "2"})
    assert await way.enqueue() == refused
    assert await way.enqueue(debounce_key="b") == refused
    assert await way.enqueue(idempotency_key="a") == Added(job_id=made, deduplicated=True)


@pytest.mark.parametrize("delay", [None, HOUR])
@pytest.mark.parametrize("mode", ["keep", "replace", "reschedule"])
async def test_what_waits_under_a_debounce_key_is_treated_alike(
    house: House, ways: dict[str, Way], mode: str, delay: timedelta | None
) -> None:
    rows = {}
    for title, way in ways.items():
        start = {} if delay is None else {"delay": delay}
        made = await add(way, debounce_key=title, payload={"a": "x" * 2000}, labels={"a": "1"}, **start)
        spec = {"kind": "other", "payload": {"n": 2}, "run_at": SOON, "fairness_key": "f"}
        answer = await way.enqueue(debounce_key=title, debounce_mode=mode, **spec)
        assert answer == Added(job_id=made, deduplicated=True)
        row = await row_of(house, answer)
        assert await events_of(house.sql, made) == ["created"] + ["requeued"] * (mode != "keep")
        rows[title] = {name: value for name, value in row.items() if name != "wait" or (mode == "keep" and not delay)}

    assert rows["sql"] == rows["grpc"] == rows["rest"]


async def test_once_it_is_leased_a_debounce_key_is_free(house: House, way: Way) -> None:
    made = await add(way, debounce_key="a")
    await house.lease_one()
    second = await way.enqueue(debounce_key="a", debounce_mode="reschedule")
    third = await way.enqueue(debounce_key="a", debounce_mode="reschedule")

    assert isinstance(second, Added)
    assert second.job_id != made
    assert third == Added(job_id=second.job_id, deduplicated=True)
