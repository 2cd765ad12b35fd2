from dataclasses import fields
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gosynq_server.domain.retry import BackoffStrategy, RetryPolicy, RetryPolicyOverride

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
FIXED = RetryPolicy(strategy=BackoffStrategy.FIXED, initial_backoff=10 * SECOND, jitter=0.0)
EXPONENTIAL = RetryPolicy(initial_backoff=10 * SECOND, multiplier=3.0, max_backoff=100 * SECOND, jitter=0.0)

lengths = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=7))
attempts = st.integers(1, 10**6)
chances = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    strategy=st.sampled_from(BackoffStrategy),
    initial_backoff=lengths,
    multiplier=st.floats(1, 10),
    max_backoff=lengths,
    jitter=st.floats(0, 1),
)
steady_policies = st.builds(
    RetryPolicy,
    strategy=st.sampled_from(BackoffStrategy),
    initial_backoff=lengths,
    multiplier=st.floats(1, 10),
    max_backoff=lengths,
    jitter=st.just(0.0),
)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (FIXED, [10, 10, 10, 10]),
        (EXPONENTIAL, [10, 30, 90, 100, 100]),
        (RetryPolicy(jitter=0.0), [5, 10, 20, 40]),
        (RetryPolicy(strategy=BackoffStrategy.FIXED, max_backoff=SECOND, jitter=0.0), [1, 1]),
        (RetryPolicy(multiplier=1.0, jitter=0.0), [5, 5, 5]),
        (RetryPolicy(max_backoff=timedelta(0)), [0, 0]),
    ],
)
def test_the_delay_follows_the_strategy_up_to_the_cap(policy: RetryPolicy, delays: list[int]) -> None:
    seen = [policy.backoff(attempt, 0.0) for attempt in range(1, len(delays) + 1)]

    assert seen == [delay * SECOND for delay in delays]


@pytest.mark.parametrize(
    ("jitter", "chance", "delay"), [(0.0, 0.9, 10.0), (0.2, 0.0, 10.0), (0.2, 0.5, 9.0), (1.0, 0.5, 5.0)]
)
def test_jitter_is_the_part_of_the_delay_that_is_random(jitter: float, chance: float, delay: float) -> None:
    policy = RetryPolicy(initial_backoff=10 * SECOND, jitter=jitter)

    assert policy.backoff(1, chance) == delay * SECOND


@given(policies, attempts, chances)
def test_the_delay_stays_between_what_jitter_leaves_of_the_cap_and_the_cap(
    policy: RetryPolicy, attempt: int, chance: float
) -> None:
    full = policy.backoff(attempt, 0.0)

    assert timedelta(0) <= full * (1 - policy.jitter) <= policy.backoff(attempt, chance) <= full <= policy.max_backoff


@given(steady_policies, attempts, attempts)
def test_a_later_attempt_never_waits_less(policy: RetryPolicy, one: int, other: int) -> None:
    earlier, later = sorted((one, other))

    assert policy.backoff(earlier, 0.0) <= policy.backoff(later, 0.0)


def test_an_attempt_far_beyond_the_largest_number_waits_for_the_cap() -> None:
    assert RetryPolicy(jitter=0.0).backoff(10**6, 0.0) == HOUR


def test_no_back_off_stays_none_however_often_it_is_multiplied() -> None:
    assert RetryPolicy(initial_backoff=timedelta(0)).backoff(10**6, 0.0) == timedelta(0)


def test_what_an_override_says_goes_over_the_policy_and_the_rest_stays() -> None:
    override = RetryPolicyOverride(multiplier=3.0, jitter=0.0)

    assert override.over(RetryPolicy()) == RetryPolicy(multiplier=3.0, jitter=0.0)
    assert RetryPolicyOverride().over(EXPONENTIAL) == EXPONENTIAL


@given(policies, policies)
def test_an_override_that_says_everything_is_the_policy(policy: RetryPolicy, other: RetryPolicy) -> None:
    override = RetryPolicyOverride(**{field.name: getattr(policy, field.name) for field in fields(RetryPolicy)})

    assert override.over(other) == policy
