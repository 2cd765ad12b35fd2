"""Judging what handlers return and raise."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker import Discard, JobFailure, Snooze
from gosynq_client.worker.outcomes import AttemptError, Failed, Snoozed, Succeeded
from gosynq_client.worker.verdicts import (
    MAX_MESSAGE_BYTES,
    MAX_STACK_TRACE_BYTES,
    cut_end,
    outcome_of_answer,
    outcome_of_error,
    timed_out,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text("abä\n"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abä"), inner),
    max_leaves=10,
)


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 -- to have a traceback
    except BaseException as caught:  # noqa: BLE001 -- of any of them
        return caught


def deep() -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(100_000):
        value = {"a": value}
    return value


def test_nothing_returned_is_success_without_a_result() -> None:
    assert outcome_of_answer(None) == Succeeded()


@given(st.dictionaries(st.text("abä"), JSON_VALUES))
def test_a_dict_comes_back_from_its_result_as_it_was(answer: dict[str, object]) -> None:
    outcome = outcome_of_answer(answer)
    assert isinstance(outcome, Succeeded)
    assert outcome.result is not None
    assert (json.loads(outcome.result), outcome.content_type) == (answer, "application/json")


def test_a_snooze_puts_off() -> None:
    assert outcome_of_answer(Snooze(timedelta(minutes=1))) == Snoozed(delay=timedelta(minutes=1))


def test_a_discard_fails_for_good() -> None:
    error = AttemptError(type="Discarded", message="no such user", non_retryable=True)
    assert outcome_of_answer(Discard("no such user")) == Failed(error=error)


@pytest.mark.parametrize(
    "answer",
    [
        {"nan": float("nan")},
        {"object": object()},
        {("a", "b"): 1},
        {"surrogate": "\ud800"},
        deep(),
        [1],
        "text",
        b"bytes",
        0,
        True,
    ],
    ids=lambda answer: str(type(answer).__name__),
)
def test_what_json_cannot_hold_fails_for_good(answer: object) -> None:
    outcome = outcome_of_answer(answer)
    assert isinstance(outcome, Failed)
    assert (outcome.error.type, outcome.error.non_retryable) == ("InvalidResult", True)


def test_an_exception_fails_the_attempt_with_its_class_message_and_trace() -> None:
    outcome = outcome_of_error(raised(LookupError("no such row")))
    assert (outcome.error.type, outcome.error.message, outcome.error.non_retryable) == (
        "LookupError",
        "no such row",
        False,
    )
    assert outcome.error.stack_trace.startswith("Traceback")
    assert outcome.error.stack_trace.endswith("LookupError: no such row\n")


def test_an_exception_without_a_message_is_told_by_its_class() -> None:
    assert outcome_of_error(raised(TimeoutError())).error.message == "TimeoutError"


@pytest.mark.parametrize("answer", [Snooze(timedelta(minutes=1)), Discard("no such user"), Snooze])
def test_an_answer_that_is_raised_is_told_to_be_returned(answer: object) -> None:
    with pytest.raises(TypeError) as caught:
        raise answer  # type: ignore[misc]  # a handler's mistake
    assert outcome_of_error(caught.value).error.message.endswith(
        "Snooze and Discard are returned by a handler, not raised"
    )


def test_an_exception_that_was_never_raised_has_a_trace_of_one_line() -> None:
    assert outcome_of_error(ValueError("x")).error.stack_trace == "ValueError: x\n"


def test_an_exception_whose_message_raises_is_a_failure_like_any_other() -> None:
    class Sly(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    error = outcome_of_error(raised(Sly())).error
    assert (error.type, error.message) == ("Sly", "its message cannot be shown")


def test_a_job_failure_is_taken_in_its_exact_form() -> None:
    failure = JobFailure(
        "mailbox full",
        type="MailboxFull",
        retry_after=timedelta(hours=1),
        non_retryable=True,
        details={"size": 3},
    )
    outcome = outcome_of_error(raised(failure))
    assert (outcome.retry_after, outcome.timed_out) == (timedelta(hours=1), False)
    error = outcome.error
    assert (error.type, error.message, error.non_retryable, error.details) == (
        "MailboxFull",
        "mailbox full",
        True,
        b'{"size":3}',
    )


def test_long_messages_and_traces_are_cut() -> None:
    error = outcome_of_error(raised(ValueError("ä" * 100_000))).error
    assert len(error.message.encode()) == MAX_MESSAGE_BYTES
    assert MAX_STACK_TRACE_BYTES - 4 <= len(error.stack_trace.encode()) <= MAX_STACK_TRACE_BYTES
    assert error.stack_trace.startswith("Traceback")
    assert "... cut ..." in error.stack_trace


def test_a_long_class_name_is_cut() -> None:
    assert len(outcome_of_error(type("E" * 1000, (Exception,), {})()).error.type) == 255


@given(st.text(alphabet=st.characters(), max_size=50), st.integers(0, 60))
def test_a_cut_text_is_storable_and_within_its_limit(text: str, limit: int) -> None:
    cut = cut_end(text, limit)
    assert len(cut.encode()) <= limit
    assert "\x00" not in cut


def test_a_time_out_tells_the_limit() -> None:
    error = AttemptError(type="AttemptTimeout", message="the attempt took longer than 1.5 s")
    assert timed_out(timedelta(seconds=1.5), None) == Failed(error=error, timed_out=True)


def test_what_is_no_text_where_a_text_belongs_is_told_as_one() -> None:
    failure = JobFailure(None, type=5)  # type: ignore[arg-type]  # a handler's mistake
    assert outcome_of_error(failure).error.type == "5"
    discarded = outcome_of_answer(Discard(7))  # type: ignore[arg-type]  # a handler's mistake
    assert isinstance(discarded, Failed)
    assert discarded.error.message == "7"
