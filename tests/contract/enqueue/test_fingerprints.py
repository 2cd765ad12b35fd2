"""SQL makes the fingerprint that the server makes, but where docs/sql.md says that it can't."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gosynq_server.domain.fingerprint import fingerprint
from gosynq_server.rpc.convert_specs import spec_of
from tests.conftest import Run
from tests.contract.enqueue.ways import message_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
WHOLE = st.integers(-(2**53), 2**53)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not 1e15 < abs(number) < 1e20)
VALUES = st.recursive(
    st.none() | st.booleans() | WHOLE | DOUBLES.map(lambda number: number + 0.0) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=5)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(hours=12))
KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=5)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from(["low", "normal", "high", "critical"]),
        "max_retries": st.integers(0, 1000),
        "max_deliveries": st.integers(1, 1000),
        "labels": st.dictionaries(st.sampled_from(["a", "b", "a/b", "aa"]), TEXTS),
        "delay": st.timedeltas(timedelta(0), timedelta(days=365)),
        "lease_duration": LENGTHS,
        "attempt_timeout": LENGTHS,
        "expires_at": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
        "retry_policy": st.fixed_dictionaries(
            {},
            optional={
                "strategy": st.sampled_from(["fixed", "exponential"]),
                "initial_backoff": st.integers(0, 10**6).map(lambda micros: f"{micros / 10**6:.6f}s"),
                "multiplier": st.floats(1, 10),
                "max_backoff": st.integers(0, 604800).map("{}s".format),
                "jitter": st.floats(0, 1).map(abs),
            },
        ),
        "concurrency_key": KEYS,
        "fairness_key": KEYS,
    },
)


Fingerprints: TypeAlias = Callable[[Sequence[dict[str, Any]]], list[str]]

_BY_SQL = """
SELECT encode(gosynq.fingerprint(gosynq.checked_spec('', gosynq.spec_of_json('spec', item.spec))), 'hex') AS made
FROM jsonb_array_elements($1) WITH ORDINALITY AS item (spec, place)
ORDER BY item.place
"""


@pytest.fixture
def by_sql(run_apart: Run, database_url: str) -> Iterator[Fingerprints]:
    """Give a function that returns the fingerprints that SQL makes of specs."""
    sql = run_apart(asyncpg.connect(database_url))

    def made(specs: Sequence[dict[str, Any]]) -> list[str]:
        said = [{name: _told(value) for name, value in ({"queue": "q", "kind": "k"} | spec).items()} for spec in specs]
        return [str(row["made"]) for row in run_apart(sql.fetch(_BY_SQL, json.dumps(said)))]

    yield made
    run_apart(sql.close())


def _told(value: Any) -> Any:
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case timedelta():
            return f"{value // timedelta(microseconds=1)} microseconds"
        case datetime():
            return value.isoformat()
        case _:
            return value


def by_server(specs: Sequence[dict[str, Any]]) -> list[str]:
    return [fingerprint(spec_of(message_of(spec))).hex() for spec in specs]


def json_bytes(*contents: bytes) -> list[dict[str, Any]]:
    return [{"payload_bytes": content, "content_type": "application/json"} for content in contents]


def many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=10, max_size=20)


on_a_database = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@on_a_database
@given(many(SPECS))
def test_settings_count_alike(by_sql: Fingerprints, specs: list[dict[str, Any]]) -> None:
    assert by_sql(specs) == by_server(specs)


@on_a_database
@given(many(OBJECTS))
def test_a_payload_counts_alike(by_sql: Fingerprints, payloads: list[dict[str, Any]]) -> None:
    specs = [{"payload": payload} for payload in payloads]
    assert by_sql(specs) == by_server(specs)


@on_a_database
@given(many(VALUES))
def test_json_bytes_count_alike(by_sql: Fingerprints, values: list[object]) -> None:
    specs = json_bytes(*map(orjson.dumps, values), *(json.dumps(value, indent=1).encode() for value in values))
    assert by_sql(specs) == by_server(specs)


BYTES_ALIKE = [
    b"{}",
    b" { } ",
    b'{"b":1,"a":2}',
    b"12345678901234567890",
    b'{"b":"1234567890123456789","a":1}',
    b"1e20",
]
BYTES_APART = [b"-0.0", b"1e2", b"[1.5e3]", b'{"b":"\\u0000","a":1}']


def apart(by_sql: Fingerprints, specs: Sequence[dict[str, Any]]) -> list[int]:
    """Return the places of the specs of which SQL makes another fingerprint."""
    pairs = zip(by_sql(specs), by_server(specs), strict=True)
    return [place for place, (ours, theirs) in enumerate(pairs) if ours != theirs]


def test_json_bytes_count_apart_only_where_it_is_said(by_sql: Fingerprints) -> None:
    contents = BYTES_ALIKE + BYTES_APART
    assert [contents[place] for place in apart(by_sql, json_bytes(*contents))] == BYTES_APART


def test_whole_numbers_that_only_a_double_would_hold_count_apart(by_sql: Fingerprints) -> None:
    numbers = [2**53, 2**53 + 2, 10**19, 1e20, 1e300]
    specs = [{"payload": {"n": number}} for number in numbers]
    assert [numbers[place] for place in apart(by_sql, specs)] == [2**53 + 2, 10**19]


def test_bytes_of_other_media_types_count_alike(by_sql: Fingerprints) -> None:
    pairs = ((b"\x00\xff", "image/png"), (b"", "text/plain"), (b'{"b":1,"a":2}', "text/json"))
    specs = [{"payload_bytes": content, "content_type": content_type} for content, content_type in pairs]
    assert by_sql(specs) == by_server(specs)
