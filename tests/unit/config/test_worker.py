import re
from typing import Any

import pytest

from gosynq_server.config import Config, ConfigError, WorkerConfig, load, settings_of
from gosynq_server.config.shares import QueueShare, Share

ENOUGH = {"handlers": ["app.jobs"], "queues": ["mail"]}


def worker_config(flags: dict[str, Any], environment: dict[str, str] | None = None) -> WorkerConfig:
    return load(WorkerConfig, flags, environment=environment or {})


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("mail", QueueShare(queue="mail", weight=1)),
        ("high:3", QueueShare(queue="high", weight=3)),
        ("a.b-c_d:1000", QueueShare(queue="a.b-c_d", weight=1000)),
    ],
)
def test_a_queue_comes_with_its_share_or_with_that_of_one(said: str, share: QueueShare) -> None:
    assert Share().read(said) == share


@pytest.mark.parametrize("said", [":3", "mail:", "mail:0", "mail:1001", "mail:x", "mail:1:2", "a/b:1", "mail: 3x"])
def test_a_share_that_makes_no_sense_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"|".join(map(re.escape, said.split(":")))):
        Share().read(said)


def test_queues_come_from_repeated_flags_and_from_one_variable_alike() -> None:
    shares = (QueueShare(queue="high", weight=3), QueueShare(queue="low"))
    assert worker_config({**ENOUGH, "queues": ["high:3", "low"]}).queues == shares
    assert worker_config({"handlers": ["app"]}, {"GOSYNQ_QUEUES": "high:3,low"}).queues == shares


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"handlers": ["app"]}, "queues: a worker needs at least one, by --queue NAME[:WEIGHT] or GOSYNQ_QUEUES"),
        ({"queues": ["a"]}, "handlers: a worker needs some, by --handlers or GOSYNQ_HANDLERS"),
        ({**ENOUGH, "queues": ["a:2", "b", "a"]}, "queues: a is named 2 times; name each queue once"),
        ({**ENOUGH, "queues": ["a:0"]}, "queues (from --queue): ['a:0'] is not a list, each item being NAME or NAME:W"),
        ({**ENOUGH, "worker_id": "-a"}, "worker_id (from --worker-id): '-a' is not 1 to 128 letters, digits and _.@-"),
        ({**ENOUGH, "concurrency": "1001"}, "concurrency (from --concurrency): '1001' is not a whole number from 1 to"),
        ({**ENOUGH, "metrics_port": "9", "health_port": "9"}, "metrics_port and health_port: both are 9; change one"),
        ({**ENOUGH, "tls_cert": __file__}, "tls_cert and tls_key: they go together; give both or neither"),
    ],
)
def test_what_a_worker_lacks_or_cannot_be_is_told_by_its_name(flags: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as refused:
        worker_config(flags)
    assert str(refused.value).startswith(problem)


def test_a_setting_that_a_server_has_too_is_read_by_the_rule_of_whoever_asks() -> None:
    environment = {"GOSYNQ_QUEUES": "mail"}
    assert load(Config, environment=environment).queues == ("mail",)
    assert worker_config({"handlers": ["app"]}, environment).queues == (QueueShare(queue="mail"),)


def test_every_setting_of_a_worker_is_known_to_a_file_that_servers_read_as_well() -> None:
    names = {f"GOSYNQ_{setting.name.upper()}": "" for setting in settings_of(WorkerConfig)}
    assert load(Config, environment=names | {"GOSYNQ_BUILD": "1.2"}) == Config()
