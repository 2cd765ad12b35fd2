"""What locks the rows of several leases does so in one order, so that two that meet never wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from gosynq_client.worker.leases import Lease, ProgressReport, Result
from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from tests.service.house import FAILED, FATAL, HOUR, House, open_house, until_blocked_by

Act: TypeAlias = Callable[[House, list[Lease]], Any]


async def _extend(house: House, leases: list[Lease]) -> Any:
    return await house.leases.extend(leases)


async def _report(house: House, leases: list[Lease]) -> Any:
    reports = [ProgressReport(lease=lease, current=1, total=1, message="") for lease in leases]
    return await house.leases.report_progress(reports)


def _settle(outcome: Outcome) -> Act:
    async def act(house: House, leases: list[Lease]) -> Any:
        return await house.exchange(*(Result(lease=lease, outcome=outcome) for lease in leases))

    return act


ACTS: dict[str, Act] = {
    "extend": _extend,
    "report": _report,
    "complete": _settle(Succeeded()),
    "fail": _settle(FAILED),
    "fail for good": _settle(FATAL),
    "snooze": _settle(Snoozed(delay=HOUR)),
    "release": _settle(Released()),
}
PLANS = {
    "by index": "enable_seqscan = off",
    "by hash": "enable_nestloop = off; ALTER DATABASE {name} SET enable_mergejoin = off",
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("act", ACTS)
async def test_rows_of_leases_are_locked_in_the_order_of_their_ids_whatever_the_plan(
    house: House, act: str, cancelled: bool, plan: str
) -> None:
    for _ in range(3):
        await house.add()
    leases = await house.lease(3)
    asked = "cancel_requested_at = statement_timestamp(), cancel_reason = ''" if cancelled else "worker_id = worker_id"
    # Each takes a new place in the table, in the opposite order.
    for lease in leases[::-1]:
        await house.sql.execute(f"UPDATE gosynq.running SET {asked} WHERE id = $1", lease.job_id)  # noqa: S608
    name = urlsplit(house.url).path.removeprefix("/")
    await house.sql.execute(f"ALTER DATABASE {name} SET {PLANS[plan].format(name=name)}")
    lock = "SELECT FROM gosynq.running WHERE id = $1 FOR UPDATE NOWAIT"
    async with open_house(house.url) as other, asyncio.TaskGroup() as tasks, other.sql.transaction():
        await other.sql.fetch(lock, leases[0].job_id)
        acting = tasks.create_task(ACTS[act](other, leases[::-1]))
        await until_blocked_by(house.sql, other.sql.get_server_pid())
        await other.sql.fetch(lock, leases[1].job_id)
        await other.sql.fetch(lock, leases[2].job_id)

    assert acting.exception() is None
