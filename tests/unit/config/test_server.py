import re

import pytest

from gosynq_server.config import Config, settings_of
from gosynq_server.domain.queue import QueueDefaults
from gosynq_server.domain.retry import BackoffStrategy


def test_what_jobs_get_by_default_is_what_the_domain_says() -> None:
    config, defaults = Config(), QueueDefaults()
    policy = defaults.retry_policy
    assert (
        config.max_retries,
        config.max_deliveries,
        config.lease_duration,
        config.attempt_timeout,
        config.retention,
        config.dead_letter_retention,
        config.max_payload_bytes,
        config.backoff_strategy,
        config.backoff_initial,
        config.backoff_multiplier,
        config.backoff_max,
        config.backoff_jitter,
    ) == (
        defaults.max_retries,
        defaults.max_deliveries,
        defaults.lease_duration,
        defaults.attempt_timeout,
        defaults.retention,
        defaults.dead_letter_retention,
        defaults.max_payload_bytes,
        policy.strategy,
        policy.initial_backoff,
        policy.multiplier,
        policy.max_backoff,
        policy.jitter,
    )


def test_the_strategies_are_those_of_the_domain() -> None:
    [setting] = [setting for setting in settings_of(Config) if setting.name == "backoff_strategy"]
    assert [setting.rule.read(strategy.value) for strategy in BackoffStrategy] == list(BackoffStrategy)


@pytest.mark.parametrize("name", ["a/b", "a b", "-a", "a" * 129])
def test_a_queue_that_no_job_can_have_is_refused(name: str) -> None:
    [setting] = [setting for setting in settings_of(Config) if setting.name == "queues"]
    assert setting.rule.read(["mail", "a.b-c_d"]) == ("mail", "a.b-c_d")
    with pytest.raises(ValueError, match=re.escape(name[:4])):
        setting.rule.read([name])
