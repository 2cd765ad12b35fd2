"""A job tells when it was last changed, whatever changed it; its lease does not count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest

from gosynq_client.worker.leases import ProgressReport
from gosynq_client.worker.outcomes import Outcome, Released, Snoozed, Succeeded
from gosynq_server.domain.job import JobId
from tests.service.house import DAY, FAILED, FATAL, HOUR, House

Change: TypeAlias = Callable[[House, JobId], Awaitable[object]]

LATER = datetime(2100, 1, 1, tzinfo=UTC)


async def _start(house: House, job_id: JobId) -> None:
    assert (await house.lease_one()).job_id == job_id


def _settle(outcome: Outcome) -> Change:
    async def change(house: House, job_id: JobId) -> None:
        await house.settle(await house.lease_one(), outcome)

    return change


async def _progress(house: House, job_id: JobId) -> None:
    lease = await house.lease_one()
    await house.sql.execute("UPDATE gosynq.running SET leased_at = leased_at - interval '1 day'")
    await house.leases.report_progress([ProgressReport(lease=lease, current=1, total=2, message="")])


async def _lose(house: House, job_id: JobId) -> None:
    await house.let_lease_run_out(await house.lease_one())
    await house.leases.rescue(limit=10)


async def _ask_for_cancel(house: House, job_id: JobId) -> None:
    await house.lease_one()
    await house.sql.execute("UPDATE gosynq.running SET leased_at = leased_at - interval '1 day'")
    await house.jobs.cancel(job_id, reason="", force=False)


async def _cancel(house: House, job_id: JobId) -> None:
    await house.jobs.cancel(job_id, reason="", force=False)


async def _put_off(house: House, job_id: JobId) -> None:
    await house.jobs.retry(job_id, run_at=LATER)


async def _put_off_again(house: House, job_id: JobId) -> None:
    await _put_off(house, job_id)
    await house.sql.execute("UPDATE gosynq.scheduled SET updated_at = updated_at - interval '1 day'")
    await _put_off(house, job_id)


async def _promote(house: House, job_id: JobId) -> None:
    await _put_off(house, job_id)
    await house.sql.execute("UPDATE gosynq.scheduled SET updated_at = updated_at - interval '1 day'")
    await house.make_due()


async def _revive(house: House, job_id: JobId) -> None:
    await _cancel(house, job_id)
    await house.sql.execute("UPDATE gosynq.finished SET finished_at = finished_at - interval '1 day'")
    await house.jobs.retry(job_id, run_at=None)


CHANGES: dict[str, Change] = {
    "start": _start,
    "success": _settle(Succeeded()),
    "failure": _settle(FAILED),
    "fatal failure": _settle(FATAL),
    "snooze": _settle(Snoozed(delay=HOUR)),
    "release": _settle(Released()),
    "progress": _progress,
    "loss": _lose,
    "request to cancel": _ask_for_cancel,
    "cancel": _cancel,
    "another start": _put_off,
    "yet another start": _put_off_again,
    "becoming due": _promote,
    "retry of a cancelled job": _revive,
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_is_the_last_one(house: House, change: str) -> None:
    job_id = await house.add()
    await house.sql.execute("UPDATE gosynq.ready SET created_at = created_at - interval '1 day'")
    before = await house.sql.fetchval("SELECT clock_timestamp()")

    await CHANGES[change](house, job_id)

    after = await house.sql.fetchval("SELECT clock_timestamp()")
    assert before < (await house.jobs.get(job_id, with_content=False)).updated_at < after


@pytest.mark.parametrize("delay", [None, DAY])
async def test_a_new_job_was_changed_when_it_was_created(house: House, delay: object) -> None:
    job = await house.job(await house.add(delay=delay))

    assert job.updated_at == job.created_at


async def test_a_heartbeat_is_no_change(house: House) -> None:
    lease = await house.started()

    await house.leases.extend([lease])

    assert (await house.job(lease.job_id)).updated_at == lease.leased_at
