import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.bulk import BulkQuery
from gosynq_server.domain.errors import PageTokenInvalid
from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.job import JobId, JobStatus, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.listing import DeadLetterQuery, JobQuery
from gosynq_server.domain.paging import (
    attempts_digest,
    bulk_digest,
    dead_letters_digest,
    decode_moment_token,
    decode_name_token,
    decode_position_token,
    decode_sequence_token,
    decode_token,
    encode_moment_token,
    encode_name_token,
    encode_position_token,
    encode_sequence_token,
    encode_token,
    events_digest,
    query_digest,
    workers_digest,
)
from gosynq_server.domain.watching import EventQuery
from tests.unit.rpc.factories import NOON

QUERY = JobQuery(statuses=(JobStatus.FAILED,), queues=("mail",), kinds=("send",), filter="attempt > 1")
JOB_ID = JobId("01977420-dc00-73ff-8123-456789abcdef")
TOKEN = encode_token(query_digest(QUERY), JOB_ID)

WANTED: dict[str, Any] = {
    "queues": frozenset({"mail"}),
    "types": frozenset({EventType.FAILED}),
    "job_ids": frozenset({JOB_ID}),
    "kinds": frozenset({"send"}),
    "priorities": frozenset({Priority.HIGH}),
    "labels": frozenset({("a", "b")}),
    "not_before": NOON,
    "before": NOON + timedelta(days=1),
}
EVENTS = events_digest(EventQuery(wanted=EventFilter(**WANTED)))
POSITION = Position(tick=1234567, row=89, place=7, made_at=1_772_366_400_250_000)

stored = st.integers(0, 2**63 - 1)
positions = st.builds(Position, tick=stored, row=stored, place=st.integers(0, 2**31 - 1), made_at=stored)
job_ids = st.uuids().map(lambda value: parse_job_id(str(value)))
digests = st.binary(min_size=32, max_size=32)


@given(digests, job_ids)
def test_a_token_gives_back_the_last_job_and_needs_no_escape(digest: bytes, last_id: JobId) -> None:
    token = encode_token(digest, last_id)

    assert decode_token(token, digest) == last_id
    assert re.fullmatch("[A-Za-z0-9_-]{40}", token)


@given(digests, st.integers(0, 2**31 - 1))
def test_a_token_gives_back_the_last_attempt_and_needs_no_escape(digest: bytes, last_sequence: int) -> None:
    token = encode_sequence_token(digest, last_sequence)

    assert decode_sequence_token(token, digest) == last_sequence
    assert re.fullmatch("[A-Za-z0-9_-]{24}", token)


@pytest.mark.parametrize(
    "other",
    [
        replace(QUERY, statuses=()),
        replace(QUERY, queues=("mail", "sms")),
        replace(QUERY, queues=(), kinds=("mail", "send")),
        replace(QUERY, kinds=("Send",)),
        replace(QUERY, priorities=(Priority.HIGH,)),
        replace(QUERY, filter=""),
        replace(QUERY, newest_first=False),
    ],
)
def test_a_token_of_another_query_is_refused(other: JobQuery) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_token(TOKEN, query_digest(other))


def test_a_token_holds_for_another_page_size_and_view() -> None:
    other = replace(QUERY, page_size=7, page_token=TOKEN, with_content=True)

    assert decode_token(TOKEN, query_digest(other)) == JOB_ID


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from("AZaz09-_+/= \x00é"))
def test_a_token_changed_in_one_place_is_refused(place: int, character: str) -> None:
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]

    if changed != TOKEN:
        with pytest.raises(PageTokenInvalid):
            decode_token(changed, query_digest(QUERY))


@pytest.mark.parametrize("changed", ["", "A", TOKEN[:-4], TOKEN + "AAAA", TOKEN + "\n", TOKEN + "=", "é" * 40])
def test_what_is_no_token_is_refused(changed: str) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_token(changed, query_digest(QUERY))


@given(st.text(max_size=60))
def test_any_text_but_the_token_is_refused(text: str) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_token(text, query_digest(QUERY))


def test_a_token_of_jobs_and_one_of_attempts_are_not_taken_for_each_other() -> None:
    digest = query_digest(QUERY)

    with pytest.raises(PageTokenInvalid):
        decode_sequence_token(TOKEN, digest)
    with pytest.raises(PageTokenInvalid):
        decode_token(encode_sequence_token(digest, 7), digest)


def test_a_token_of_another_jobs_attempts_is_refused() -> None:
    token = encode_sequence_token(attempts_digest(JOB_ID), 7)

    with pytest.raises(PageTokenInvalid):
        decode_sequence_token(token, attempts_digest(JobId("01977420-dc00-73ff-8123-456789abcdee")))


def test_a_made_up_sequence_beyond_what_the_store_can_hold_is_refused() -> None:
    digest = attempts_digest(JOB_ID)

    with pytest.raises(PageTokenInvalid):
        decode_sequence_token(encode_sequence_token(digest, 2**31), digest)


@given(digests, positions)
def test_a_token_gives_back_the_position_among_events_and_needs_no_escape(digest: bytes, position: Position) -> None:
    token = encode_position_token(digest, position)

    assert decode_position_token(token, digest) == position
    assert re.fullmatch("[A-Za-z0-9_-]{56}", token)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        *((name, frozenset()) for name in ("queues", "types", "job_ids", "kinds", "priorities", "labels")),
        ("queues", frozenset({"mail", "sms"})),
        ("queues", frozenset({"send"})),
        ("labels", frozenset({("a", "c")})),
        ("not_before", None),
        ("not_before", NOON + timedelta(microseconds=1)),
        ("before", None),
        ("before", NOON),
    ],
)
def test_a_token_of_other_events_is_refused(name: str, other: Any) -> None:
    token = encode_position_token(EVENTS, POSITION)

    with pytest.raises(PageTokenInvalid):
        decode_position_token(token, events_digest(EventQuery(wanted=EventFilter(**WANTED | {name: other}))))


def test_a_token_of_events_holds_for_another_page_size_and_with_content() -> None:
    token = encode_position_token(EVENTS, POSITION)
    other = EventQuery(wanted=EventFilter(**WANTED), page_size=7, page_token=token, with_content=True)

    assert decode_position_token(token, events_digest(other)) == POSITION


@pytest.mark.parametrize("field", ["tick", "row", "made_at"])
def test_a_made_up_position_beyond_what_the_store_can_hold_is_refused(field: str) -> None:
    for number in (2**63, 2**64 - 1):
        token = encode_position_token(EVENTS, POSITION._replace(**{field: number}))
        with pytest.raises(PageTokenInvalid):
            decode_position_token(token, EVENTS)


moments = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows
names = st.from_regex("[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}", fullmatch=True)


@given(digests, moments, job_ids)
def test_a_token_gives_back_the_moment_and_the_job_behind_which_dead_letters_go_on(
    digest: bytes, moment: datetime, last_id: JobId
) -> None:
    token = encode_moment_token(digest, moment, last_id)

    assert decode_moment_token(token, digest) == (moment, last_id)
    assert re.fullmatch("[A-Za-z0-9_-]{52}", token)


@given(digests, names)
def test_a_token_gives_back_the_last_workers_id(digest: bytes, name: str) -> None:
    token = encode_name_token(digest, name)

    assert decode_name_token(token, digest) == name
    assert len(token) <= 1024


@given(st.text(max_size=40))
def test_what_is_no_token_of_workers_or_dead_letters_is_refused(text: str) -> None:
    for decode in (decode_name_token, decode_moment_token):
        with pytest.raises(PageTokenInvalid):
            decode(text, bytes(32))


def test_a_made_up_moment_beyond_all_years_is_refused() -> None:
    # A name of that many bytes is sealed as a moment and a job are.
    made_up = encode_name_token(bytes(32), "\0" + "z" * 24)
    with pytest.raises(PageTokenInvalid):
        decode_moment_token(made_up, bytes(32))


@pytest.mark.parametrize(
    "other",
    [
        {"queues": ("other",)},
        {"kinds": ("other",)},
        {"error_type": "Other"},
        {"start_at": NOON + timedelta(days=2)},
        {"end_at": NOON + timedelta(days=2)},
    ],
)
def test_a_token_of_other_dead_letters_is_refused(other: dict[str, Any]) -> None:
    query = DeadLetterQuery(queues=("q",), kinds=("k",), error_type="E", start_at=NOON, end_at=NOON + timedelta(days=1))
    token = encode_moment_token(dead_letters_digest(query), NOON, JOB_ID)
    with pytest.raises(PageTokenInvalid):
        decode_moment_token(token, dead_letters_digest(replace(query, **other)))
    assert decode_moment_token(token, dead_letters_digest(replace(query, page_size=9, with_content=True)))


def test_a_token_of_other_workers_is_refused() -> None:
    token = encode_name_token(workers_digest("q"), "w")
    with pytest.raises(PageTokenInvalid):
        decode_name_token(token, workers_digest("other"))


def test_a_token_of_a_bulk_call_holds_for_its_verb_and_its_jobs_in_any_order() -> None:
    ids = (JOB_ID, JobId("01977420-dc00-73ff-8123-456789abcdf0"))
    digest = bulk_digest("cancel", BulkQuery(job_ids=ids))
    assert digest == bulk_digest("cancel", BulkQuery(job_ids=(*ids[::-1], JOB_ID), limit=9, validate_only=True))
    assert digest != bulk_digest("retry", BulkQuery(job_ids=ids))
    assert digest != bulk_digest("cancel", BulkQuery(job_ids=ids[:1]))
    assert bulk_digest("cancel", BulkQuery(filter="kind = a")) != bulk_digest("cancel", BulkQuery(filter="kind = b"))
