"""What examples are made of: jobs, settings of queues, and ends of attempts."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import DebounceMode, JobSpec, Priority
from gosynq_server.domain.queue_settings import QueueSettings
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride
from tests.service.house import FAILED, FATAL
from tests.service.properties.model import BACKOFF_MINUTES, LEASE_MINUTES, MINUTE, PRESENT

KINDS = ("k", "other")

picks = st.integers(min_value=0, max_value=30)
minutes = st.sampled_from([0, 1, 5, 40])
flags = st.booleans()
kinds = st.sampled_from([KINDS, KINDS, ("k",), ("other",)])
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [Succeeded(), Succeeded(), FAILED, FATAL, Snoozed(delay=5 * MINUTE), Released()]
)


@st.composite
def specs(draw: st.DrawFn) -> JobSpec:
    concurrency_key, ordering_key = draw(st.sampled_from([*[("", "")] * 4, ("x", ""), ("y", ""), ("", "x"), ("", "y")]))
    debounce_key = draw(st.sampled_from(["", "", "", "d", "e"]))
    return JobSpec(
        queue="q",
        kind=draw(st.sampled_from(["k", "k", "other"])),
        priority=draw(st.sampled_from([None, *Priority])),
        fairness_key=draw(st.sampled_from(["", "", "a", "b"])),
        delay=draw(st.sampled_from([None, None, None, MINUTE, 5 * MINUTE])),
        expires_at=draw(st.sampled_from([None, None, None, None, PRESENT + 3 * MINUTE])),
        debounce_key=debounce_key,
        debounce_mode=draw(st.sampled_from(DebounceMode)) if debounce_key else DebounceMode.KEEP,
        concurrency_key=concurrency_key,
        ordering_key=ordering_key,
    )


@st.composite
def settings(draw: st.DrawFn) -> QueueSettings:
    return QueueSettings(
        max_concurrency=draw(st.sampled_from([None, None, None, 0, 1, 3])),
        max_concurrency_per_key=draw(st.sampled_from([None, 1, 2])),
        max_leases_per_second=draw(st.sampled_from([None, None, None, None, 1 / 120, 1 / 60, 1 / 30])),
        lease_burst=draw(st.sampled_from([None, 1, 3])),
        max_pending=draw(st.sampled_from([None, None, None, 0, 8, 20])),
        priority_ageing=draw(st.sampled_from([None, timedelta(), 5 * MINUTE])),
        strict_priorities=draw(st.sampled_from([False, False, True])),
        fairness_weights=draw(st.sampled_from([{}, {"a": 2}, {"": 3, "b": 2}])),
        max_retries=1,
        max_deliveries=2,
        lease_duration=LEASE_MINUTES * MINUTE,
        retry_policy=RetryPolicyOverride(
            strategy=BackoffStrategy.FIXED, initial_backoff=MINUTE * float(BACKOFF_MINUTES), jitter=0.0
        ),
    )
