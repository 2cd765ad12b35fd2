"""Rounds of maintenance go on, whatever one of them meets."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.maintenance import loop
from gosynq_server.maintenance.loop import repeat, run_through
from gosynq_server.service.wakeups import Signal

PATIENCE = 10.0


class Rounds:
    """Rounds that meet one error each, as long as there are any, and tell when another one has gone well."""

    def __init__(self, *errors: Exception, pause: timedelta = timedelta(hours=1)) -> None:
        self._errors = list(errors)
        self._pause = pause
        self.went_well = asyncio.Event()

    async def run_once(self) -> timedelta:
        if self._errors:
            raise self._errors.pop(0)
        self.went_well.set()
        return self._pause


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_AFTER_FAILURE", timedelta())


async def until_it_goes_well(rounds: Rounds, *, signal: Signal | None = None) -> None:
    repeating = asyncio.create_task(repeat(rounds, signal=signal))
    async with asyncio.timeout(PATIENCE):
        await rounds.went_well.wait()
    repeating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await repeating


@pytest.mark.parametrize(
    ("error", "level"), [(DatabaseUnavailable(), logging.WARNING), (ZeroDivisionError(), logging.ERROR)]
)
async def test_no_error_ends_the_rounds_and_each_is_logged(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    await until_it_goes_well(Rounds(error, error))
    assert [record.levelno for record in caplog.records] == [level] * 2
    assert {record.__dict__["maintenance"] for record in caplog.records} == {"Rounds"}


async def test_a_signal_brings_the_next_round_forward() -> None:
    rounds, signal = Rounds(), Signal()
    repeating = asyncio.create_task(repeat(rounds, signal=signal))
    async with asyncio.timeout(PATIENCE):
        await rounds.went_well.wait()
        rounds.went_well.clear()
        signal.set()
        await rounds.went_well.wait()
    repeating.cancel()


async def test_a_round_that_the_database_holds_up_is_run_until_it_comes_through() -> None:
    rounds = Rounds(DatabaseUnavailable(), DatabaseUnavailable())
    await run_through(rounds)
    assert rounds.went_well.is_set()


async def test_a_round_that_meets_a_bug_does_not_come_through() -> None:
    with pytest.raises(ZeroDivisionError):
        await run_through(Rounds(ZeroDivisionError()))
