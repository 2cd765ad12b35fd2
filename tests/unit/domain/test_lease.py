from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed, Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.lease import (
    MAX_DELAY,
    Cancel,
    Complete,
    DeadLetter,
    LeaseFacts,
    Lost,
    Release,
    Retry,
    Snooze,
    Verdict,
    judge,
)
from gosynq_server.domain.queue import Queue, QueueDefaults
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicy, RetryPolicyOverride

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)

QUEUE = Queue(
    name="q",
    defaults=QueueDefaults(
        max_retries=2,
        max_deliveries=3,
        retry_policy=RetryPolicy(initial_backoff=10 * SECOND, multiplier=2.0, max_backoff=HOUR, jitter=0.5),
        retention=DAY,
        dead_letter_retention=14 * DAY,
    ),
)
FIRST = LeaseFacts(
    failures=0,
    deliveries=1,
    max_retries=None,
    max_deliveries=None,
    retry_policy=None,
    retention=None,
    cancel_requested=False,
)
TWICE_FAILED = replace(FIRST, failures=2)
TWICE_LOST = replace(FIRST, deliveries=3)

ERROR = AttemptError(type="E", message="m")
FAILED = Failed(error=ERROR)
FATAL = Failed(error=replace(ERROR, non_retryable=True), retry_after=SECOND)
TIMED_OUT = Lost(timed_out=True)


def verdict(outcome: Outcome | Lost, lease: LeaseFacts = FIRST, chance: float = 0.0) -> Verdict:
    return judge(outcome, lease=lease, queue=QUEUE, chance=chance)


@pytest.mark.parametrize(
    ("outcome", "lease", "expected"),
    [
        (Succeeded(), FIRST, Complete(retention=DAY)),
        (Snoozed(delay=HOUR), FIRST, Snooze(delay=HOUR)),
        (Released(), FIRST, Release()),
        (FAILED, FIRST, Retry(delay=10 * SECOND, failures=1, deliveries=0)),
        (FAILED, replace(FIRST, failures=1), Retry(delay=20 * SECOND, failures=2, deliveries=0)),
        (FAILED, TWICE_LOST, Retry(delay=40 * SECOND, failures=1, deliveries=2)),
        (FAILED, TWICE_FAILED, DeadLetter(retention=14 * DAY, failures=3, deliveries=0)),
        (Failed(error=ERROR, timed_out=True), FIRST, Retry(delay=10 * SECOND, failures=1, deliveries=0)),
        (Failed(error=ERROR, retry_after=HOUR), FIRST, Retry(delay=HOUR, failures=1, deliveries=0)),
        (Failed(error=ERROR, retry_after=0 * SECOND), FIRST, Retry(delay=0 * SECOND, failures=1, deliveries=0)),
        (Failed(error=ERROR, retry_after=HOUR), TWICE_FAILED, DeadLetter(retention=14 * DAY, failures=3, deliveries=0)),
        (FATAL, FIRST, DeadLetter(retention=14 * DAY, failures=1, deliveries=0)),
        (Cancelled(), FIRST, DeadLetter(retention=14 * DAY, failures=1, deliveries=0)),
        (Lost(), FIRST, Retry(delay=10 * SECOND, failures=0, deliveries=1)),
        (Lost(), replace(TWICE_FAILED, deliveries=2), Retry(delay=80 * SECOND, failures=2, deliveries=2)),
        (Lost(), TWICE_LOST, DeadLetter(retention=14 * DAY, failures=0, deliveries=3)),
        (TIMED_OUT, FIRST, Retry(delay=10 * SECOND, failures=1, deliveries=0)),
        (TIMED_OUT, TWICE_LOST, Retry(delay=40 * SECOND, failures=1, deliveries=2)),
        (TIMED_OUT, TWICE_FAILED, DeadLetter(retention=14 * DAY, failures=3, deliveries=0)),
    ],
)
def test_an_attempts_end_decides_what_becomes_of_its_job(
    outcome: Outcome | Lost, lease: LeaseFacts, expected: Verdict
) -> None:
    assert verdict(outcome, lease) == expected


@pytest.mark.parametrize("outcome", [FAILED, FATAL, Cancelled(), Lost(), TIMED_OUT, Snoozed(delay=HOUR), Released()])
def test_a_cancel_that_was_asked_for_happens_whatever_the_attempt_came_to(outcome: Outcome | Lost) -> None:
    assert verdict(outcome, replace(FIRST, cancel_requested=True)) == Cancel(retention=DAY)


def test_a_success_wins_over_a_cancel_request() -> None:
    assert verdict(Succeeded(), replace(FIRST, cancel_requested=True)) == Complete(retention=DAY)


@pytest.mark.parametrize(
    ("outcome", "lease", "expected"),
    [
        (Succeeded(), FIRST, Complete(retention=HOUR)),
        (FATAL, FIRST, DeadLetter(retention=HOUR, failures=1, deliveries=0)),
        (Lost(), TWICE_LOST, DeadLetter(retention=HOUR, failures=0, deliveries=3)),
        (FAILED, replace(FIRST, cancel_requested=True), Cancel(retention=HOUR)),
    ],
)
def test_a_jobs_own_retention_goes_before_its_queues(
    outcome: Outcome | Lost, lease: LeaseFacts, expected: Verdict
) -> None:
    assert verdict(outcome, replace(lease, retention=HOUR)) == expected


def test_a_jobs_own_limits_go_before_its_queues() -> None:
    assert isinstance(verdict(FAILED, replace(FIRST, max_retries=0)), DeadLetter)
    assert isinstance(verdict(FAILED, replace(TWICE_FAILED, max_retries=3)), Retry)
    assert isinstance(verdict(Lost(), replace(FIRST, max_deliveries=1)), DeadLetter)
    assert isinstance(verdict(Lost(), replace(TWICE_LOST, max_deliveries=4)), Retry)


def test_a_jobs_own_retry_policy_goes_over_its_queues() -> None:
    override = RetryPolicyOverride(strategy=BackoffStrategy.FIXED)

    assert verdict(FAILED, replace(FIRST, failures=1, retry_policy=override)) == Retry(
        delay=10 * SECOND, failures=2, deliveries=0
    )


def test_chance_shortens_a_back_off_and_no_wish_of_the_handler() -> None:
    assert verdict(FAILED, chance=0.5) == Retry(delay=7.5 * SECOND, failures=1, deliveries=0)
    assert verdict(Failed(error=ERROR, retry_after=HOUR), chance=0.5) == Retry(delay=HOUR, failures=1, deliveries=0)


@pytest.mark.parametrize(
    ("wish", "delay"), [(timedelta.max, MAX_DELAY), (-SECOND, 0 * SECOND), (timedelta.min, 0 * SECOND)]
)
def test_an_absurd_wish_is_kept_within_bounds(wish: timedelta, delay: timedelta) -> None:
    assert verdict(Snoozed(delay=wish)) == Snooze(delay=delay)
    assert verdict(Failed(error=ERROR, retry_after=wish)) == Retry(delay=delay, failures=1, deliveries=0)


delays = st.timedeltas()
outcomes = st.one_of(
    st.just(Cancelled()),
    st.builds(Snoozed, delay=delays),
    st.just(Released()),
    st.builds(
        Failed,
        error=st.builds(AttemptError, type=st.just("E"), message=st.just("m"), non_retryable=st.booleans()),
        retry_after=st.none() | delays,
        timed_out=st.booleans(),
    ),
    st.builds(Lost, timed_out=st.booleans()),
)
overrides = st.none() | st.builds(
    RetryPolicyOverride,
    strategy=st.none() | st.sampled_from(BackoffStrategy),
    initial_backoff=st.none() | st.timedeltas(min_value=timedelta(0), max_value=DAY),
    multiplier=st.none() | st.floats(1, 10),
    max_backoff=st.none() | st.timedeltas(min_value=timedelta(0), max_value=7 * DAY),
    jitter=st.none() | st.floats(0, 1),
)


@given(
    history=st.lists(st.tuples(outcomes, st.floats(0, 1, exclude_max=True)), max_size=40),
    max_retries=st.none() | st.integers(0, 6),
    max_deliveries=st.none() | st.integers(1, 6),
    retry_policy=overrides,
)
def test_no_history_takes_a_job_past_its_limits(
    history: list[tuple[Outcome | Lost, float]],
    max_retries: int | None,
    max_deliveries: int | None,
    retry_policy: RetryPolicyOverride | None,
) -> None:
    lease = replace(FIRST, max_retries=max_retries, max_deliveries=max_deliveries, retry_policy=retry_policy)
    most_failures = 1 + (2 if max_retries is None else max_retries)
    most_deliveries = 3 if max_deliveries is None else max_deliveries

    for outcome, chance in history:
        assert lease.deliveries <= most_deliveries
        match judge(outcome, lease=lease, queue=QUEUE, chance=chance):
            case Retry() as retry:
                assert timedelta(0) <= retry.delay <= MAX_DELAY
                assert retry.failures + retry.deliveries == lease.failures + lease.deliveries
                lease = replace(lease, failures=retry.failures, deliveries=retry.deliveries + 1)
            case Snooze(delay=delay):
                assert timedelta(0) <= delay <= MAX_DELAY
            case Release():
                pass
            case DeadLetter() as end:
                assert end.failures <= most_failures
                assert end.deliveries <= most_deliveries
                assert end.failures + end.deliveries == lease.failures + lease.deliveries
                break
            case impossible:
                pytest.fail(f"{outcome} gave {impossible}")
