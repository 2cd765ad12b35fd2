"""What a handler may answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gosynq_client.worker import JobFailure, Snooze


def test_a_snooze_into_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="past"):
        Snooze(timedelta(seconds=-1))


def test_a_retry_in_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="past"):
        JobFailure("no", retry_after=timedelta(seconds=-1))


def test_a_failure_is_named_after_its_class_unless_it_says_otherwise() -> None:
    class MailboxFull(JobFailure):
        pass

    assert (MailboxFull("no").type, MailboxFull("no", type="Full").type) == ("MailboxFull", "Full")


@pytest.mark.parametrize("details", [{"at": object()}, {"rate": float("nan")}])
def test_details_that_are_no_json_are_refused_where_they_are_given(details: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        JobFailure("no", details=details)
