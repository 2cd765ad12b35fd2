from typing import Any

import pytest
import typer

from gosynq.v1 import queue_pb2
from gosynq_server.cli.application import app
from gosynq_server.cli.arguments import weights
from gosynq_server.cli.fields import option_of
from gosynq_server.cli.queue_flags import FIELDS


@pytest.mark.parametrize("path", FIELDS.values())
def test_each_option_of_a_queue_sets_a_field_of_the_contract(path: str) -> None:
    message: Any = queue_pb2.Queue.DESCRIPTOR
    for name in path.split("."):
        field = message.fields_by_name[name]
        message = field.message_type

    assert option_of(f"queue.{path}")


def test_each_option_that_sets_a_field_is_one_of_the_command() -> None:
    queues: object = typer.main.get_command(app).commands["queues"]  # type: ignore[attr-defined]  # it is a group
    options = {name for parameter in queues.commands["set"].params for name in parameter.opts}  # type: ignore[attr-defined]  # as above

    assert {f"--{option}" for option in FIELDS} <= options


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("job.labels['é']", "--label"),
        ("job.idempotency_key", "--key"),
        ("schedule.job.ordering_key", "--ordering-key"),
        ("schedule.cron", "--cron"),
        ("target_queue", "--to"),
        ("queue.name", ""),
    ],
)
def test_a_field_is_named_by_the_option_that_sets_it(field: str, option: str) -> None:
    assert option_of(field) == option


def test_a_weight_is_read_behind_the_last_equals_sign() -> None:
    assert weights(["a=b=2", "=3"], "--weight") == {"a=b": 2, "": 3}


@pytest.mark.parametrize("pairs", [["a"], ["a="], ["a=-1"], ["a=1", "a=2"]])
def test_a_weight_that_is_none_is_refused(pairs: list[str]) -> None:
    with pytest.raises(typer.BadParameter, match="a weight is KEY=NUMBER, and each key is given once"):
        weights(pairs, "--weight")
