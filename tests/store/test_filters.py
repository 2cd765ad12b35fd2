"""The rendered filters mean in PostgreSQL what they say."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeAlias

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.filters import compiled

Document: TypeAlias = dict[str, Any]
Holds: TypeAlias = Callable[[str, Document], bool]
Meaning: TypeAlias = Callable[[Document], bool]

FIRST: Document = {
    "id": "01977420-dc00-73ff-8123-456789abcdef",
    "queue": "mail",
    "kind": "send",
    "status": "pending",
    "priority": 2,
    "attempt": 0,
    "created_at": 1767225600.000001,
    "run_at": 1767225600.000001,
    "finished_at": None,
    "schedule_id": "",
    "idempotency_key": "",
    "concurrency_key": "",
    "ordering_key": "",
    "fairness_key": "",
    "error_type": "",
    "labels": None,
}
SECOND: Document = FIRST | {
    "id": "01977420-dc00-73ff-8123-456789abcdf0",
    "status": "failed",
    "priority": 3,
    "attempt": 10,
    "created_at": 1767225601.5,
    "finished_at": 1767225700,
    "schedule_id": "nightly",
    "fairness_key": "acme",
    "error_type": "Timeout",
    "labels": {"tenant": "acme", "a/b.c": "Zürich"},
}
DOCUMENTS = (FIRST, SECOND)


@pytest.fixture(scope="module")
def holds(run_apart: Callable[..., Any], postgres: str) -> Iterator[Holds]:
    """Give a function that asks PostgreSQL whether a filter holds of a document, as the store does."""
    connection = run_apart(asyncpg.connect(postgres))

    def ask(text: str, document: Document) -> bool:
        statement = "SELECT $1::jsonb @@ $2::jsonpath"
        return bool(run_apart(connection.fetchval(statement, json.dumps(document), compiled(text).path)))

    yield ask
    run_apart(connection.close())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (True, True)),
        ("id = 01977420-DC00-73FF-8123-456789ABCDEF", (True, False)),
        ("id > 01977420-dc00-73ff-8123-456789abcdef", (False, True)),
        ('id != ""', (True, True)),
        ("id = ''", (False, False)),
        ("NOT NOT status = failed", (False, True)),
        ("NOT NOT labels.other < zzz", (False, False)),
        ("queue = mail AND kind != receive", (True, True)),
        ("status = failed", (False, True)),
        ("status != failed", (True, False)),
        ("priority > normal", (False, True)),
        ("priority <= normal", (True, False)),
        ("attempt >= 10", (False, True)),
        ("attempt < 9", (True, False)),
        ("attempt > -1", (True, True)),
        ("created_at = 2026-01-01T00:00:00.000001Z", (True, False)),
        ("created_at > 2026-01-01T01:00:01+01:00", (False, True)),
        ("run_at < 2026-01-01T00:00:00.000001Z", (False, False)),
        ("finished_at < 2027-01-01T00:00:00Z", (False, True)),
        ("finished_at != 2027-01-01T00:00:00Z", (True, True)),
        ("NOT finished_at < 2027-01-01T00:00:00Z", (True, False)),
        ("schedule_id = ''", (True, False)),
        ("idempotency_key != ''", (False, False)),
        ("concurrency_key = '' AND ordering_key = ''", (True, True)),
        ("fairness_key = acme", (False, True)),
        ("error_type = Timeout", (False, True)),
        ("error_type = ''", (True, False)),
        ("labels.tenant = acme", (False, True)),
        ("labels.tenant != acme", (True, False)),
        ("labels.other != acme", (True, True)),
        ("NOT labels.other = acme", (True, True)),
        ("labels.other < zzz", (False, False)),
        ("labels.a/b.c = 'Zürich'", (False, True)),
        ("status = pending OR status = failed AND attempt > 0", (False, True)),
        ("(status = pending AND attempt = 0) OR labels.tenant = acme", (True, True)),
        ("-(status = pending)", (False, True)),
    ],
)
def test_a_filter_selects_what_it_says(holds: Holds, text: str, expected: tuple[bool, bool]) -> None:
    assert tuple(holds(text, document) for document in DOCUMENTS) == expected


@given(value=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), quote=st.sampled_from("\"'"))
def test_a_hostile_value_equals_itself_and_nothing_else(holds: Holds, value: str, quote: str) -> None:
    quoted = quote + value.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote

    assert holds(f"labels.x = {quoted}", {"labels": {"x": value}})
    assert not holds(f"labels.x = {quoted}", {"labels": {"x": value + "x"}})
    assert not holds(f"labels.x != {quoted}", {"labels": {"x": value}})


comparisons: st.SearchStrategy[tuple[str, Meaning]] = st.sampled_from(
    [
        ("attempt > 3", lambda job: job["attempt"] > 3),
        ("priority != high", lambda job: job["priority"] != 3),
        ("kind = 'AND'", lambda job: job["kind"] == "AND"),
        ("kind < b", lambda job: job["kind"] < "b"),
        ("labels.t = acme", lambda job: job["labels"].get("t") == "acme"),
        ("labels.t != acme", lambda job: job["labels"].get("t") != "acme"),
        ("labels.t >= b", lambda job: job["labels"].get("t", "") >= "b"),
        (
            "finished_at >= 2026-01-01T00:00:00Z",
            lambda job: (job["finished_at"] or 0) >= datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        ),
    ]
)


def joined(factors: list[list[tuple[str, Meaning]]]) -> tuple[str, Meaning]:
    text = " AND ".join(" OR ".join(term for term, _ in terms) for terms in factors)
    return f"({text})", lambda job: all(any(meaning(job) for _, meaning in terms) for terms in factors)


def negated(term: tuple[str, Meaning]) -> tuple[str, Meaning]:
    text, meaning = term
    return f"NOT ({text})", lambda job: not meaning(job)


filters = st.recursive(
    comparisons,
    lambda terms: (
        terms.map(negated) | st.lists(st.lists(terms, min_size=1, max_size=3), min_size=1, max_size=3).map(joined)
    ),
    max_leaves=8,
)

jobs = st.fixed_dictionaries(
    {
        "attempt": st.integers(0, 6),
        "priority": st.integers(1, 4),
        "kind": st.sampled_from(["a", "AND", "c", "B"]),
        "labels": st.dictionaries(st.just("t"), st.sampled_from(["acme", "zeta", ""])),
        "finished_at": st.none() | st.integers(1767225599, 1767225601),
    }
)


@given(term=filters, job=jobs)
def test_any_filter_means_in_the_database_what_its_parts_mean_together(
    holds: Holds, term: tuple[str, Meaning], job: Document
) -> None:
    text, meaning = term

    assert holds(text, job) == meaning(job)
