"""A queue with its limits, keys and order does what a plain model of it does, whatever happens to it."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from tests.service.properties.conftest import Ground
from tests.service.properties.examples import among, pytestmark
from tests.service.properties.machine import QueueMachine

__all__ = ["pytestmark"]


def test_a_queue_is_as_its_model_whatever_happens(ground: Ground) -> None:
    class Machine(QueueMachine):
        pass

    Machine.ground = ground
    run_state_machine_as_test(Machine, settings=among(15, steps=30))
