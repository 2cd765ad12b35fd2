import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.fingerprint import fingerprint
from gosynq_server.domain.job import DebounceMode, JobSpec, Priority
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = JobSpec(
    queue="mail",
    kind="send",
    payload=b'{"a":1,"b":2}',
    priority=Priority.HIGH,
    max_retries=3,
    max_deliveries=4,
    run_at=NOON,
    delay=timedelta(seconds=1),
    idempotency_key="k",
    labels={"tenant": "acme", "region": "eu"},
    headers={"traceparent": "00-1"},
    retry_policy=RetryPolicyOverride(initial_backoff=timedelta(seconds=1)),
    lease_duration=timedelta(seconds=30),
    attempt_timeout=timedelta(minutes=1),
    expires_at=NOON + timedelta(hours=1),
    retention=timedelta(hours=2),
)

UNCOUNTED: dict[str, Any] = {
    "idempotency_key": "other",
    "headers": {"traceparent": "00-2"},
    "retention": timedelta(hours=3),
    "debounce_key": "a",
    "debounce_mode": DebounceMode.REPLACE,
}
COUNTED: dict[str, list[Any]] = {
    "queue": ["sms", ""],
    "kind": ["receive", ""],
    "payload": [b'{"a":1,"b":3}', b"{}", b""],
    "content_type": ["text/plain"],
    "priority": [Priority.LOW, None],
    "max_retries": [0, None],
    "max_deliveries": [1, None],
    "run_at": [NOON + timedelta(microseconds=1), None],
    "delay": [timedelta(0), None],
    "labels": [{}, {"tenant": "acme"}, {"tenant": "eu", "region": "acme"}],
    "retry_policy": [
        None,
        RetryPolicyOverride(),
        RetryPolicyOverride(max_backoff=timedelta(seconds=1)),
        RetryPolicyOverride(initial_backoff=timedelta(seconds=1), jitter=0.0),
        RetryPolicyOverride(initial_backoff=timedelta(seconds=1), multiplier=2.0),
        RetryPolicyOverride(initial_backoff=timedelta(seconds=1), strategy=BackoffStrategy.FIXED),
    ],
    "lease_duration": [timedelta(seconds=31), None],
    "attempt_timeout": [timedelta(minutes=2), None],
    "expires_at": [NOON + timedelta(hours=2), None],
    "concurrency_key": ["a"],
    "ordering_key": ["a"],
    "fairness_key": ["a"],
    "schedule_id": ["a"],
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def of_payload(payload: bytes, content_type: str = "application/json") -> bytes:
    return fingerprint(JobSpec(queue="q", kind="k", payload=payload, content_type=content_type))


@pytest.mark.parametrize(("field", "value"), UNCOUNTED.items())
def test_a_repeated_call_may_differ_in_these_fields(field: str, value: Any) -> None:
    assert fingerprint(replace(SPEC, **{field: value})) == fingerprint(SPEC)


@pytest.mark.parametrize(("field", "value"), [(name, value) for name, values in COUNTED.items() for value in values])
def test_another_value_of_any_other_field_makes_another_spec(field: str, value: Any) -> None:
    assert fingerprint(replace(SPEC, **{field: value})) != fingerprint(SPEC)


def test_every_field_of_a_spec_either_counts_or_does_not() -> None:
    assert {field.name for field in fields(JobSpec)} == UNCOUNTED.keys() | COUNTED.keys()


def test_the_same_moment_in_another_zone_is_the_same() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=9)))

    assert fingerprint(replace(SPEC, run_at=elsewhere)) == fingerprint(SPEC)


def test_the_order_of_labels_makes_no_difference() -> None:
    assert fingerprint(replace(SPEC, labels={"region": "eu", "tenant": "acme"})) == fingerprint(SPEC)


@given(json_values)
def test_json_counts_by_its_values_and_not_by_its_spelling(value: object) -> None:
    compact = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    sparse = json.dumps(json.loads(compact, object_pairs_hook=lambda pairs: dict(reversed(pairs))), indent=2).encode()

    assert of_payload(sparse) == of_payload(compact)


@given(json_values, json_values)
def test_other_json_has_another_fingerprint(first: object, second: object) -> None:
    one, other = (orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in (first, second))

    assert (of_payload(one) == of_payload(other)) == (one == other)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"n":18446744073709551616}', b'{"n":18446744073709551617}'),
        (b'{"n":-9223372036854775809}', b'{"n":-9223372036854775810}'),
    ],
)
def test_integers_beyond_64_bits_are_told_apart(first: bytes, second: bytes) -> None:
    assert of_payload(first) != of_payload(second)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a":NaN}', b'"\\ud800"', b"\xff", b"[" * 300 + b"]" * 300])
def test_what_has_no_canonical_form_counts_by_its_bytes(payload: bytes) -> None:
    assert of_payload(payload) == of_payload(payload) != of_payload(payload + b" ")


def test_other_content_counts_by_its_bytes() -> None:
    assert of_payload(b'{"a": 1}', "text/plain") != of_payload(b'{"a":1}', "text/plain")


def test_settings_and_payload_do_not_run_into_each_other() -> None:
    assert of_payload(b"]1", "text/plain") != of_payload(b"1", "text/plain]")


def test_the_form_never_changes_because_stored_keys_rest_on_it() -> None:
    assert fingerprint(SPEC).hex() == "33ff5522775aacb37bae819acce15e748db05d5c57c3199a98dfa99f6e7e133e"
    assert len(fingerprint(SPEC)) == 32
