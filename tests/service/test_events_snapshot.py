"""A snapshot and the events behind it tell everything about the jobs that are wanted, and what they hold."""

from __future__ import annotations

from typing import Any

import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobId
from tests.service.house import FAILED, House
from tests.service.watching import (
    CONDITIONS,
    SPECS,
    add_many,
    succeed,
    watching,
)


async def _moved(house: House) -> None:
    lease, other = await house.lease(2)
    await house.settle(lease, Succeeded())
    await house.settle(other, FAILED)
    await house.add()


async def test_a_snapshot_and_what_follows_leave_no_gap_while_jobs_move(house: House) -> None:
    await add_many(house, 250)
    known: dict[str, tuple[int, str]] = {}
    async with watching(house, snapshot=True) as watcher:
        assert (await watcher.take()).position is None
        groups = 0
        while not (delivery := await watcher.take()).snapshot_complete:
            assert (delivery.position, delivery.matches) == (None, ())
            groups += 1
            for job in delivery.snapshot:
                known[job.id] = (job.revision, job.status)
            await _moved(house)
        assert groups >= 3
        end = await house.ticker.now()
        while delivery.position < end:  # type: ignore[operator]
            delivery = await watcher.take()
            for row, places in delivery.matches:
                for place in places:
                    job_id, revision = row.job_ids[place], row.revisions[place]
                    if revision > known.get(job_id, (0, ""))[0]:
                        known[job_id] = (revision, row.status)
            if not delivery.matches:
                break

    rows = await house.sql.fetch("SELECT id::text AS id, revision, status FROM gosynq.jobs")
    assert known == {row["id"]: (row["revision"], row["status"]) for row in rows}


@pytest.mark.parametrize(("conditions", "names"), [case for case in CONDITIONS if "types" not in case[0]])
async def test_a_snapshot_holds_the_unfinished_jobs_that_are_wanted(
    house: House, conditions: dict[str, Any], names: set[str]
) -> None:
    jobs = {await house.add(**spec): name for name, spec in SPECS.items()}
    await succeed(house, queue="q9")

    async with watching(house, of=conditions, snapshot=True) as watcher:
        given = [await watcher.take()]
        while not given[-1].snapshot_complete:
            given.append(await watcher.take())

    snapshot = [job for delivery in given for job in delivery.snapshot]
    assert {jobs[job.id] for job in snapshot} == names
    assert len(snapshot) == len(names)
    assert all(job.payload is None for job in snapshot)


async def test_a_snapshot_of_some_jobs_leaves_out_the_ended_and_the_missing(house: House) -> None:
    ended, waiting = await succeed(house), await house.add(payload=b"p" * 5000)
    wanted = [ended, waiting, "0195e7a4-5a5a-7000-8000-000000000001"]
    async with watching(house, of={"job_ids": wanted}, snapshot=True, with_content=True) as watcher:
        given = [await watcher.take(), await watcher.take(), await watcher.take()]

    assert [[job.id for job in delivery.snapshot] for delivery in given] == [[], [waiting], []]
    assert given[1].snapshot[0].payload == b"p" * 5000
    assert [delivery.snapshot_complete for delivery in given] == [False, False, True]


async def test_contents_are_those_of_the_jobs_that_are_still_there(house: House) -> None:
    lease = await house.started(payload=b'{"a":1}', content_type="application/json")
    await house.settle(lease, Succeeded(result=b'{"b":2}', content_type="application/json"))
    gone = await house.add(queue="q2", payload=b"{}")
    await house.jobs.delete(gone, force=False, allow_missing=False)

    async with watching(house, from_oldest=True, with_content=True) as watcher:
        deliveries = await watcher.deliveries_until(5)

    contents = {job: content for delivery in deliveries for job, content in delivery.contents.items()}
    assert list(contents) == [lease.job_id]
    assert (contents[JobId(lease.job_id)].payload, contents[JobId(lease.job_id)].result) == (b'{"a":1}', b'{"b":2}')
