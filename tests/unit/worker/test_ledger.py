"""What the worker holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic

import pytest

from gosynq_client.worker.attempt import AttemptState
from gosynq_client.worker.leases import Exchange, Result
from gosynq_client.worker.ledger import Ledger
from gosynq_client.worker.outcomes import Cancelled, Released, Succeeded
from tests.unit.worker.memory_source import a_lease, leases, turns


def test_a_job_leased_anew_means_that_its_old_lease_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    ledger.hold([a_lease()])
    ledger.hold([a_lease(lease_seq=2)])
    attempt = ledger.take(monotonic())
    assert attempt is not None
    assert attempt.lease == a_lease(lease_seq=2)
    assert (ledger.take(monotonic()), ledger.offer()) == (None, ())
    assert caplog.messages == ["lease lost, attempt dropped"]


def test_a_lease_that_comes_twice_is_held_once() -> None:
    ledger = Ledger()
    ledger.hold([a_lease()])
    ledger.hold([a_lease()])
    assert (ledger.leases(), ledger.taken) == ([a_lease()], 1)


def test_a_buffered_attempt_that_is_cancelled_is_settled_and_never_run() -> None:
    ledger = Ledger()
    ledger.hold(leases(2))
    ledger.cancel(ledger.held["job-0"], "not needed")
    attempt = ledger.take(monotonic())
    assert attempt is not None
    assert attempt.lease.job_id == "job-1"
    assert ledger.offer() == (Result(lease=a_lease(), outcome=Cancelled(message="not needed")),)


@pytest.mark.parametrize(
    ("timeout", "extended_at", "now", "taken"),
    [
        (None, None, 129.9, True),
        (None, None, 130, False),
        (None, 120, 149.9, True),
        (None, 120, 150, False),
        (5, None, 119.9, True),
        (5, None, 120, False),
        (5, 110, 120, False),
    ],
)
def test_an_attempt_begins_as_long_as_its_lease_surely_holds(
    timeout: int | None, extended_at: float | None, now: float, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, lease = Ledger(), a_lease(attempt_timeout=timeout and timedelta(seconds=timeout))
    ledger.hold([lease], granted_at=100)
    if extended_at is not None:
        ledger.held[lease.job_id].hold_from(extended_at)
    attempt = ledger.take(now)
    assert (attempt is not None) is taken
    assert ledger.offer() == (() if taken else (Result(lease=lease, outcome=Released()),))
    assert caplog.messages == ([] if taken else ["lease may have run out, attempt not begun"])


def test_an_attempt_that_has_ended_is_not_interrupted() -> None:
    ledger = Ledger()
    ledger.hold([a_lease()])
    attempt = ledger.held["job-0"]
    ledger.end(attempt, Succeeded())
    ledger.cancel(attempt, "too late")
    assert ledger.offer() == (Result(lease=a_lease(), outcome=Succeeded()),)


def test_a_stop_gives_back_what_has_not_begun() -> None:
    ledger = Ledger()
    ledger.hold(leases(2))
    ledger.stop()
    assert [result.outcome for result in ledger.offer()] == [Released(), Released()]
    assert ledger.in_state(AttemptState.BUFFERED) == []


def test_offered_results_are_kept_until_they_are_settled() -> None:
    ledger = Ledger()
    ledger.hold(leases(2))
    first, second = (Result(lease=lease, outcome=Succeeded()) for lease in leases(2))
    ledger.end(ledger.held["job-0"], Succeeded())
    assert ledger.offer() == (first,)
    ledger.end(ledger.held["job-1"], Succeeded())
    assert (ledger.offer(), ledger.unsettled) == ((first, second), 2)
    ledger.settled(Exchange())
    assert (ledger.offer(), ledger.unsettled) == ((), 0)


async def test_one_arrival_wakes_one_slot_and_the_next_is_woken_by_it() -> None:
    ledger = Ledger()
    woken: list[int] = []

    async def slot(number: int) -> None:
        await ledger.arrival()
        woken.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(2):
            tasks.create_task(slot(number))
        await turns()
        ledger.hold(leases(3))
        await turns()
        assert len(woken) == 1
        ledger.take(monotonic())
        await turns()
        assert len(woken) == 2
