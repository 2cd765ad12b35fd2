import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.errors import PageTokenInvalid
from gosynq_server.domain.event import EventFilter, Position
from gosynq_server.domain.ids import parse_job_id
from gosynq_server.domain.job import JobId, JobStatus, Priority
from gosynq_server.domain.lifecycle import EventType
from gosynq_server.domain.listing import JobQuery
from gosynq_server.domain.paging import (
    attempts_digest,
    decode_position_token,
    decode_sequence_token,
    decode_token,
    encode_position_token,
    encode_sequence_token,
    encode_token,
    events_digest,
    query_digest,
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
