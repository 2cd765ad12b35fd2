"""Schedules fire each due time once, by their policies, whatever happens to them and however many servers fire."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from tests.service.properties.conftest import Ground
from tests.service.properties.examples import among, pytestmark
from tests.service.properties.schedule_machine import SchedulesMachine

__all__ = ["pytestmark"]


def test_schedules_are_as_their_model_whatever_happens(ground: Ground) -> None:
    class Machine(SchedulesMachine):
        pass

    Machine.ground = ground
    run_state_machine_as_test(Machine, settings=among(10, steps=30))
