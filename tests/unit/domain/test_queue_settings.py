from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gosynq_server.domain.errors import UpdateMaskInvalid
from gosynq_server.domain.job import Priority
from gosynq_server.domain.queue_settings import LEAVES, QueueDetails, QueueSettings, QueueUpdate, leaves_of, updated
from gosynq_server.domain.retry import BackoffStrategy, RetryPolicyOverride

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
BEFORE = QueueSettings(
    description="mails",
    max_concurrency=5,
    max_payload_bytes=100,
    priority=Priority.HIGH,
    retention=timedelta(hours=1),
    retry_policy=RetryPolicyOverride(jitter=0.5, multiplier=3.0),
    fairness_weights={"acme": 3},
)


def _updated(given: QueueSettings, *paths: str) -> QueueSettings:
    return updated(BEFORE, QueueUpdate(name="q", settings=given, paths=leaves_of(paths)))


def test_a_mask_names_single_fields_whole_messages_or_everything() -> None:
    assert leaves_of(["limits.max_concurrency", "description"]) == {"limits.max_concurrency", "description"}
    assert leaves_of(["defaults.retry_policy"]) == {
        f"defaults.retry_policy.{name}"
        for name in ("strategy", "initial_backoff", "multiplier", "max_backoff", "jitter")
    }
    assert leaves_of(["order"]) == {"order.priority_ageing", "order.strict_priorities", "order.fairness_weights"}
    assert leaves_of(["*"]) == LEAVES


@pytest.mark.parametrize(
    "path",
    ["", "name", "state", "stats.ready", "etag", "limits.", "limits.max", "limit", "order.fairness_weights.acme"],
)
def test_a_path_that_cannot_be_updated_is_named(path: str) -> None:
    with pytest.raises(UpdateMaskInvalid) as refusal:
        leaves_of(["description", path])

    assert refusal.value.metadata == {"path": path}


def test_a_field_is_changed_and_all_others_stay() -> None:
    after = _updated(QueueSettings(max_concurrency=9, priority=Priority.LOW), "limits.max_concurrency")

    assert after == replace(BEFORE, max_concurrency=9)


def test_a_field_that_the_mask_names_and_nothing_is_said_of_is_cleared() -> None:
    after = _updated(QueueSettings(), "description", "limits", "order.fairness_weights", "defaults.retention")

    assert after == QueueSettings(priority=BEFORE.priority, retry_policy=BEFORE.retry_policy)


def test_a_field_of_the_retry_policy_is_changed_by_itself() -> None:
    given = QueueSettings(retry_policy=RetryPolicyOverride(strategy=BackoffStrategy.FIXED, jitter=0.1))

    after = _updated(given, "defaults.retry_policy.strategy", "defaults.retry_policy.multiplier")

    assert after.retry_policy == RetryPolicyOverride(strategy=BackoffStrategy.FIXED, jitter=0.5)


def test_a_retry_policy_that_says_nothing_any_more_is_none() -> None:
    assert _updated(QueueSettings(), "defaults.retry_policy").retry_policy is None
    assert _updated(QueueSettings(), "*") == QueueSettings()


def test_an_etag_changes_with_the_version_and_with_a_queue_made_anew() -> None:
    first = QueueDetails(name="q", state_changed_at=MOMENT, created_at=MOMENT, updated_at=MOMENT)
    later = MOMENT + timedelta(microseconds=1)

    assert len({first.etag, replace(first, version=2).etag, replace(first, created_at=later).etag}) == 3
    assert first.etag == replace(first, updated_at=later, state_reason="why").etag
