from __future__ import annotations

from datetime import timedelta

import pytest

from gosynq_client import (
    CredentialsInvalid,
    CursorExpired,
    DatabaseUnavailable,
    ErrorDetails,
    GosynqError,
    InternalError,
    ServerDraining,
    SlowConsumer,
    TooManyStreams,
    Unavailable,
)
from gosynq_client.resuming import Patience, is_passing, pause


def coded(code: str, reason: str = "") -> GosynqError:
    return GosynqError("", ErrorDetails(code=code, reason=reason))


def after(patience: Patience, now: float = 0, *, responses: int = 0, error: GosynqError | None = None) -> float:
    return patience.pause_after(error or Unavailable(""), responses=responses, now=now, chance=1)


@pytest.mark.parametrize(
    ("error", "before_a_response", "after_one"),
    [
        (Unavailable(""), True, True),
        (ServerDraining(""), True, True),
        (DatabaseUnavailable(""), True, True),
        (SlowConsumer(""), True, True),
        (TooManyStreams(""), True, True),
        (coded("INTERNAL"), False, True),
        (coded("UNKNOWN"), False, True),
        (coded("DEADLINE_EXCEEDED"), False, True),
        (coded("RESOURCE_EXHAUSTED"), False, False),
        (coded("UNIMPLEMENTED"), False, False),
        (coded("INTERNAL", "SOME_NEW_REASON"), False, False),
        (InternalError(""), False, False),
        (CursorExpired(""), False, False),
        (CredentialsInvalid(""), False, False),
    ],
    ids=repr,
)
def test_what_passes_with_time_is_told_from_what_does_not(
    error: GosynqError, *, before_a_response: bool, after_one: bool
) -> None:
    assert is_passing(error, answered=False) is before_a_response
    assert is_passing(error, answered=True) is after_one


def test_pauses_double_up_to_five_seconds_and_no_further() -> None:
    longest = [pause(failures, None, chance=1) for failures in (0, 1, 2, 3, 4, 5, 6, 1000)]

    assert longest == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])


def test_a_pause_is_anything_up_to_its_bound() -> None:
    assert [pause(2, None, chance=chance) for chance in (0, 0.5, 1)] == pytest.approx([0, 0.2, 0.4])


def test_a_server_that_asks_for_time_is_given_it_and_the_pause_beside() -> None:
    assert pause(0, timedelta(seconds=3), chance=0) == 3
    assert pause(0, timedelta(seconds=3), chance=1) == pytest.approx(3.1)


def test_failures_in_a_row_are_paused_for_longer_and_longer() -> None:
    patience = Patience(None, None)

    assert [after(patience) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.4])


def test_a_stream_that_went_on_begins_anew_and_one_that_only_answered_does_not() -> None:
    patience = Patience(None, None)
    after(patience)

    assert after(patience, responses=1) == pytest.approx(0.2)
    assert after(patience, responses=2) == pytest.approx(0.1)


def test_what_does_not_pass_is_raised() -> None:
    with pytest.raises(CursorExpired):
        after(Patience(None, None), error=CursorExpired(""))


def test_patience_lasts_from_the_first_failure_and_its_last_pause_ends_with_it() -> None:
    patience = Patience(timedelta(seconds=10), None)

    assert [after(patience, now) for now in (100, 103, 109.9)] == pytest.approx([0.1, 0.2, 0.1])
    with pytest.raises(Unavailable):
        after(patience, 110)


def test_an_answer_gives_all_the_patience_back() -> None:
    patience = Patience(timedelta(seconds=10), None)
    after(patience, 100)
    patience.answered()

    assert after(patience, 200) > 0


def test_an_observer_hears_of_errors_that_are_waited_out_and_of_answers() -> None:
    heard: list[GosynqError | None] = []
    patience = Patience(timedelta(seconds=10), heard.append)
    error = Unavailable("")

    after(patience, error=error)
    patience.answered()
    with pytest.raises(CursorExpired):
        after(patience, error=CursorExpired(""))

    assert heard == [error, None]
