from datetime import timedelta

import pytest

from gosynq_server.domain.job import JobSpec, Priority
from gosynq_server.domain.queue import Queue, QueueDefaults, QueueState
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicy, RetryPolicyOverride

DEFAULTS = QueueDefaults(priority=Priority.LOW, retry_policy=RetryPolicy(strategy=BackoffStrategy.FIXED, jitter=0.0))
QUEUE = Queue(name="q", defaults=DEFAULTS)


def test_a_new_queue_is_active_with_the_documented_defaults() -> None:
    assert Queue(name="q") == Queue(
        name="q",
        state=QueueState.ACTIVE,
        defaults=QueueDefaults(
            priority=Priority.NORMAL,
            max_retries=4,
            max_deliveries=5,
            retry_policy=RetryPolicy(
                strategy=BackoffStrategy.EXPONENTIAL,
                initial_backoff=timedelta(seconds=5),
                multiplier=2.0,
                max_backoff=timedelta(hours=1),
                jitter=0.2,
            ),
            lease_duration=timedelta(seconds=30),
            attempt_timeout=None,
            retention=timedelta(hours=24),
            dead_letter_retention=timedelta(days=14),
            max_payload_bytes=262_144,
        ),
    )


def test_a_job_that_says_nothing_of_retries_gets_the_queues_policy() -> None:
    assert QUEUE.retry_policy_of(None) == DEFAULTS.retry_policy


def test_a_job_that_says_something_gets_the_queues_policy_with_that_over_it() -> None:
    assert QUEUE.retry_policy_of(RetryPolicyOverride(jitter=0.5)) == RetryPolicy(
        strategy=BackoffStrategy.FIXED, jitter=0.5
    )


@pytest.mark.parametrize(("said", "given"), [(None, Priority.LOW), (Priority.HIGH, Priority.HIGH)])
def test_a_job_gets_its_own_priority_or_the_queues(said: Priority | None, given: Priority) -> None:
    assert QUEUE.priority_of(JobSpec(queue="q", kind="k", priority=said)) is given
