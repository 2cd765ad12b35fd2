import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.errors import FilterInvalid
from gosynq_server.domain.filter_fields import Comparator, Value
from gosynq_server.domain.filters import And, Comparison, Node, Not, Or, compiled, parse
from gosynq_server.domain.job import Priority

JOB_ID = "01977420-dc00-73ff-8123-456789abcdef"

A, B, C, D = (Comparison(path=("attempt",), comparator=Comparator.EQUAL, value=number) for number in range(1, 5))


def equal(field: str, value: Value) -> Comparison:
    return Comparison(path=(field,), comparator=Comparator.EQUAL, value=value)


def spelled(text: str) -> str:
    """Spell A to D out as comparisons of attempt."""
    for number, name in enumerate("abcd", start=1):
        text = text.replace(name, f"attempt={number}")
    return text


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", And(parts=())),
        (" \t\r\n", And(parts=())),
        ("a", A),
        ("(a)", A),
        (" ( ( a ) ) ", A),
        ("a AND b AND c", And(parts=(A, B, C))),
        ("a OR b OR c", Or(parts=(A, B, C))),
        ("a AND b OR c", And(parts=(A, Or(parts=(B, C))))),
        ("a OR b AND c", And(parts=(Or(parts=(A, B)), C))),
        ("a OR b AND c OR d", And(parts=(Or(parts=(A, B)), Or(parts=(C, D))))),
        ("(a AND b) OR c", Or(parts=(And(parts=(A, B)), C))),
        ("NOT a", Not(part=A)),
        ("-a", Not(part=A)),
        ("NOT(a)", Not(part=A)),
        ("-(a OR b)", Not(part=Or(parts=(A, B)))),
        ("NOT a AND b", And(parts=(Not(part=A), B))),
        ("NOT a OR -b", Or(parts=(Not(part=A), Not(part=B)))),
        ("NOT (NOT a)", Not(part=Not(part=A))),
        ("NOT NOT a", A),
        ("NOT NOT NOT a", Not(part=A)),
        ("NOT -a", A),
        ("NOT NOT (a OR b) AND c", And(parts=(Or(parts=(A, B)), C))),
    ],
)
def test_or_binds_tighter_than_and_and_not_tightest(text: str, tree: Node) -> None:
    assert parse(spelled(text)) == tree


@pytest.mark.parametrize("comparator", Comparator)
@pytest.mark.parametrize("space", ["", " "])
def test_every_comparator_is_read_with_and_without_spaces(comparator: Comparator, space: str) -> None:
    assert parse(f"attempt{space}{comparator}{space}2") == Comparison(path=("attempt",), comparator=comparator, value=2)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (f"id = {JOB_ID.upper()}", equal("id", JOB_ID)),
        ('id = ""', equal("id", "")),
        ("queue = mail.out-1", equal("queue", "mail.out-1")),
        ("kind = reports/daily", equal("kind", "reports/daily")),
        ('status = "failed"', equal("status", "failed")),
        ("priority = critical", equal("priority", Priority.CRITICAL)),
        ("attempt = -1", equal("attempt", -1)),
        ("schedule_id = ''", equal("schedule_id", "")),
        ("idempotency_key = 'a \"b\" (c)'", equal("idempotency_key", 'a "b" (c)')),
        (r'kind = "a\"b\\c\'d"', equal("kind", "a\"b\\c'd")),
        ("kind = münchen", equal("kind", "münchen")),
        ("created_at = 1970-01-01T00:00:01Z", equal("created_at", Decimal("1.000000"))),
        ('run_at = "1970-01-01t02:00:00.0000019+02:00"', equal("run_at", Decimal("0.000001"))),
        ("finished_at = 1969-12-31T23:59:59.5z", equal("finished_at", Decimal("-0.500000"))),
        ("finished_at = 0001-01-01T00:00:00+23:59", equal("finished_at", Decimal("-62135683140.000000"))),
    ],
)
def test_a_value_is_read_as_its_fields_type(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("key", ["tenant", "a", "7", "app.example/name", "labels", "a_b-c.d"])
def test_a_label_is_named_by_its_whole_key(key: str) -> None:
    assert parse(f"labels.{key} = x") == Comparison(path=("labels", key), comparator=Comparator.EQUAL, value="x")


@pytest.mark.parametrize(
    ("text", "position", "problem"),
    [
        ("attempt", 7, "expected = != < <= > or >="),
        ("attempt =", 9, "expected a value"),
        ("attempt = )", 10, "expected a value"),
        ("kind = AND", 7, "expected a value"),
        ("kind = -a", 7, "expected a value"),
        ("= 1", 0, "expected a field"),
        ("'kind' = a", 0, "expected a field"),
        ("AND kind = a", 0, "expected a field"),
        ("NOT", 3, "expected a field"),
        ("NOT NOT", 7, "expected a field"),
        ("NOT AND kind = a", 4, "expected a field"),
        ("--kind = a", 0, "no field has the name '--kind'"),
        ("()", 1, "expected a field"),
        ("kind = a AND", 12, "expected a field"),
        ("kind = a OR OR kind = b", 12, "expected a field"),
        ("kind = a kind = b", 9, "expected AND, OR or the end"),
        ("kind = a and kind = b", 9, "expected AND, OR or the end"),
        ("kind = a)", 8, "expected AND, OR or the end"),
        ("(kind = a", 9, "expected AND, OR or )"),
        ("((kind = a)", 11, "expected AND, OR or )"),
        ("kind : a", 5, "expected = != < <= > or >="),
        ("kind ! a", 5, "'!' can't stand here"),
        ("kind == a", 6, "expected a value"),
        ("kind = a; DROP TABLE jobs", 8, "';' can't stand here"),
        ("kind =   $", 9, "'$' can't stand here"),
        ('kind = "a', 7, "the quote is not closed"),
        ("kind = 'a\\'", 7, "the quote is not closed"),
        (r'kind = "a\n"', 9, "no such escape as \\n"),
        ('kind = "a\x00"', 9, "no text has this character"),
        ('kind = "\ud800"', 8, "no text has this character"),
        ("payload = 1", 0, "no field has the name 'payload'"),
        ("labels = a", 0, "no field has the name 'labels'"),
        ("labels. = a", 0, "no field has the name 'labels.'"),
        ("labels.Tenant = a", 0, "no field has the name 'labels.Tenant'"),
        ("status.x = a", 0, "no field has the name 'status.x'"),
        ("status = FAILED", 9, "'FAILED' is none of pending, processing, completed, failed, cancelled"),
        ("status > failed", 7, "statuses have no order: use = or !="),
        ("priority = 3", 11, "'3' is none of low, normal, high, critical"),
        ("attempt = 1.5", 10, "'1.5' is no whole number"),
        ('attempt = "1"', 10, "'1' is no whole number"),
        ("attempt = 1234567890123456789", 10, "'1234567890123456789' is no whole number"),
        ("attempt = ٣", 10, "'٣' is no whole number"),
        ("id = 7", 5, "'7' is no job id"),
        ("created_at = 1", 13, "'1' is no moment such as 2026-01-31T12:00:00Z"),
        ("created_at = 2026-01-31", 13, "'2026-01-31' is no moment such as 2026-01-31T12:00:00Z"),
        ("run_at > 2026-01-31T12:00:00", 9, "'2026-01-31T12:00:00' is no moment such as 2026-01-31T12:00:00Z"),
        ("run_at > 2026-02-30T12:00:00Z", 9, "'2026-02-30T12:00:00Z' is no moment such as 2026-01-31T12:00:00Z"),
        (" AND ".join(["attempt=1"] * 21), 20 * 14, "more than 20 comparisons"),
        ("(" * 21 + "attempt=1" + ")" * 21, 21, "more than 20 parentheses inside one another"),
    ],
)
def test_what_is_no_filter_is_refused_where_it_stops_being_one(text: str, position: int, problem: str) -> None:
    with pytest.raises(FilterInvalid) as refused:
        parse(text)

    assert refused.value.metadata == {"position": str(position), "problem": problem}


def test_as_many_comparisons_and_parentheses_as_allowed_are_taken() -> None:
    assert parse(" OR ".join(["attempt=1"] * 20)) == Or(parts=(A,) * 20)
    assert parse("(" * 20 + "attempt=1" + ")" * 20) == A
    assert parse(" AND ".join(["(attempt=1)"] * 20)) == And(parts=(A,) * 20)


def test_a_long_row_of_negations_makes_no_deep_tree() -> None:
    assert parse("NOT " * 500 + "attempt=1") == A
    assert parse("NOT " * 501 + "attempt=1") == Not(part=A)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "true"),
        ("kind = a", '$."kind" == "a"'),
        ("kind != a", '!($."kind" == "a")'),
        ("priority >= high", '$."priority" >= 3'),
        ("attempt < -123456789012345678", '$."attempt" < -123456789012345678'),
        ("run_at <= 2026-01-01T00:00:00.000001Z", '$."run_at" <= 1767225600.000001'),
        ("labels.a/b.c > x", '$."labels"."a/b.c" > "x"'),
        ("NOT kind = a", '!($."kind" == "a")'),
        (
            "kind = a AND attempt = 1 OR -attempt = 2",
            '($."kind" == "a") && (($."attempt" == 1) || (!($."attempt" == 2)))',
        ),
    ],
)
def test_a_filter_is_rendered_as_a_predicate(text: str, path: str) -> None:
    assert compiled(text).path == path


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("", "completed failed cancelled pending processing"),
        ("status = failed", "failed"),
        ("status != failed", "completed cancelled pending processing"),
        ("NOT status = failed", "completed cancelled pending processing"),
        ("NOT status != failed", "failed"),
        ("status = failed AND kind = a", "failed"),
        ("status = failed OR kind = a", "completed failed cancelled pending processing"),
        ("status = failed OR status = cancelled", "failed cancelled"),
        ("status = failed AND status = cancelled", ""),
        ("NOT (status = failed AND kind = a)", "completed failed cancelled pending processing"),
    ],
)
def test_a_filter_says_in_which_statuses_it_may_hold(text: str, statuses: str) -> None:
    assert compiled(text).statuses == set(statuses.split())


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("kind = error_type", False),
        ("error_type = a", True),
        ("kind = a OR NOT (kind = b AND error_type != a)", True),
    ],
)
def test_a_filter_says_whether_it_asks_about_errors(text: str, asks: bool) -> None:
    assert compiled(text).asks_about_errors is asks


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.sampled_from("\"'"))
def test_a_hostile_value_stays_one_literal(value: str, quote: str) -> None:
    quoted = quote + value.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote

    path = compiled(f"kind = {quoted}").path

    assert path.isascii()
    assert path.startswith('$."kind" == ')
    assert json.loads(path.removeprefix('$."kind" == ')) == value


WORDS = ["(", ")", "'", '"', "\\", "-", "=", "<", "!=", "AND", "OR", "NOT", "kind", "attempt", "labels.a", "1", "a"]


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_either_rendered_or_refused_at_a_position_in_it(text: str) -> None:
    position = position_of_refusal(text)

    assert position is None or 0 <= position <= len(text)


def position_of_refusal(text: str) -> int | None:
    try:
        compiled(text)
    except FilterInvalid as refusal:
        return int(refusal.metadata["position"])
    return None
