"""Callers of one group share a commit, and none of them another's fate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gosynq_server.domain.errors import DatabaseUnavailable, GosynqError, ServerDraining
from gosynq_server.service.group_commit import GroupCommit


class Ledger:
    """Commits numbers, each answered by its double, but refuses odd ones; a group meets the error that stands next."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.begun = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.groups = 0

    async def commit(self, numbers: Sequence[int]) -> Sequence[int | GosynqError]:
        self.begun.set()
        self.groups += 1
        await self.goes_on.wait()
        if self._errors:
            raise self._errors.pop(0)
        return [DatabaseUnavailable() if number % 2 else number * 2 for number in numbers]


@asynccontextmanager
async def running(
    ledger: Ledger, *, patience: timedelta = timedelta(minutes=1)
) -> AsyncIterator[tuple[GroupCommit[int, int], asyncio.Task[None]]]:
    group = GroupCommit(ledger.commit, patience=patience)
    run = asyncio.create_task(group.run())
    await asyncio.sleep(0)
    yield group, run
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def submitted(group: GroupCommit[int, int], *numbers: int) -> list[int | type]:
    """Submit numbers at once; give the answers, and the types of the errors."""
    answers = await asyncio.gather(*map(group.submit, numbers), return_exceptions=True)
    return [answer if isinstance(answer, int) else type(answer) for answer in answers]


async def test_each_caller_gets_its_own_answer() -> None:
    async with running(Ledger()) as (group, _):
        assert await submitted(group, 2, 3, 4) == [4, DatabaseUnavailable, 8]


@pytest.mark.parametrize("error", [DatabaseUnavailable(), ZeroDivisionError()])
async def test_an_error_is_told_to_its_whole_group_and_the_next_one_is_committed(error: Exception) -> None:
    async with running(Ledger(error)) as (group, _):
        assert await submitted(group, 2, 4) == [type(error)] * 2
        assert await submitted(group, 2) == [4]


@pytest.mark.parametrize("errors", [(), (DatabaseUnavailable(),)])
async def test_a_caller_who_has_gone_away_does_not_disturb_the_others(errors: tuple[Exception, ...]) -> None:
    ledger = Ledger(*errors)
    ledger.goes_on.clear()
    async with running(ledger) as (group, _):
        gone, staying = (asyncio.ensure_future(group.submit(number)) for number in (2, 4))
        await ledger.begun.wait()
        gone.cancel()
        ledger.goes_on.set()
        answers = await asyncio.gather(gone, staying, return_exceptions=True)
        assert [type(answer) for answer in answers] == [asyncio.CancelledError, DatabaseUnavailable if errors else int]
        assert await submitted(group, 6) == [12]


async def test_a_group_whose_commit_is_cut_off_is_told_that_the_server_drains() -> None:
    ledger = Ledger()
    ledger.goes_on.clear()
    async with running(ledger) as (group, run):
        calls = [asyncio.ensure_future(group.submit(number)) for number in (2, 4)]
        await ledger.begun.wait()
        late = asyncio.ensure_future(group.submit(6))
        await asyncio.sleep(0)
        run.cancel()
        answers = await asyncio.gather(*calls, late, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ServerDraining] * 3


async def test_a_group_that_waits_for_somebody_else_holds_up_no_other() -> None:
    ledger = Ledger()
    ledger.goes_on.clear()
    async with running(ledger, patience=timedelta()) as (group, _):
        stuck = asyncio.ensure_future(group.submit(2))
        await ledger.begun.wait()
        ledger.goes_on = asyncio.Event()
        ledger.goes_on.set()
        assert await submitted(group, 4, 6) == [8, 12]
        assert not stuck.done()
        stuck.cancel()


async def test_no_more_than_four_groups_are_under_way() -> None:
    ledger = Ledger()
    ledger.goes_on.clear()
    async with running(ledger, patience=timedelta()) as (group, _):
        calls = []
        for number in range(0, 12, 2):
            calls.append(asyncio.ensure_future(group.submit(number)))
            for _ in range(5):
                await asyncio.sleep(0)
        assert ledger.groups == 4
        ledger.goes_on.set()
        assert await asyncio.gather(*calls) == [number * 2 for number in range(0, 12, 2)]
