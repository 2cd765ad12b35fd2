"""Lists hold what was asked for, in order, page by page, whatever happens in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.errors import FilterInvalid, PageTokenInvalid
from gosynq_server.domain.ids import new_job_id
from gosynq_server.domain.job import JobId, JobSpec, JobStatus, Priority
from gosynq_server.domain.listing import JobQuery
from tests.service.house import FAILED, HOUR, House

EVERYTHING = JobQuery(newest_first=False)


async def _ids(house: House, query: JobQuery) -> list[JobId]:
    return [job.id for job in (await house.jobs.list(query)).jobs]


async def _pages(house: House, query: JobQuery) -> list[list[JobId]]:
    pages: list[list[JobId]] = []
    while not pages or query.page_token:
        page = await house.jobs.list(query)
        pages.append([job.id for job in page.jobs])
        query = replace(query, page_token=page.next_page_token)
    return pages


async def _one_of_each(house: House) -> dict[str, JobId]:
    """Make a job in every status, each told apart by queue, kind, priority and labels."""
    completed = await house.started(kind="k", labels={"tenant": "acme"})
    await house.settle(completed, Succeeded(result=b"1", content_type="x"))
    failed = await house.started(max_retries=0)
    await house.settle(failed, FAILED)
    processing = await house.started(priority=Priority.HIGH)
    cancelled = await house.add(queue="q2", kind="other")
    await house.jobs.cancel(cancelled, reason="", force=False)
    return {
        "completed": JobId(completed.job_id),
        "failed": JobId(failed.job_id),
        "processing": JobId(processing.job_id),
        "cancelled": cancelled,
        "scheduled": await house.add(delay=HOUR, idempotency_key="key"),
        "ready": await house.add(queue="q3", kind="other", priority=Priority.LOW, labels={"tenant": "zeta"}),
    }


NOT_FAILED = ["completed", "processing", "cancelled", "scheduled", "ready"]
CASES = [
    ({}, ["completed", "failed", "processing", "cancelled", "scheduled", "ready"]),
    ({"statuses": (JobStatus.PENDING,)}, ["scheduled", "ready"]),
    ({"statuses": (JobStatus.PROCESSING, JobStatus.COMPLETED)}, ["completed", "processing"]),
    ({"statuses": (JobStatus.FAILED, JobStatus.CANCELLED)}, ["failed", "cancelled"]),
    ({"queues": ("q2", "q3")}, ["cancelled", "ready"]),
    ({"kinds": ("other",)}, ["cancelled", "ready"]),
    ({"priorities": (Priority.LOW, Priority.HIGH)}, ["processing", "ready"]),
    ({"queues": ("q",), "statuses": (JobStatus.PENDING,)}, ["scheduled"]),
    ({"filter": 'labels.tenant = "acme"'}, ["completed"]),
    ({"filter": "labels.tenant != acme"}, ["failed", "processing", "cancelled", "scheduled", "ready"]),
    ({"filter": "status = failed OR priority = high"}, ["failed", "processing"]),
    ({"filter": "attempt >= 1 AND NOT status = processing"}, ["completed", "failed"]),
    ({"filter": "run_at > 2000-01-01T00:00:00Z AND finished_at < 2000-01-01T00:00:00Z"}, []),
    ({"filter": "idempotency_key = key"}, ["scheduled"]),
    ({"filter": "error_type = Boom"}, ["failed"]),
    ({"filter": "error_type != Boom AND fairness_key = '' AND ordering_key = '' AND concurrency_key = ''"}, NOT_FAILED),
    ({"filter": "  "}, ["completed", "failed", "processing", "cancelled", "scheduled", "ready"]),
    ({"filter": "kind = other", "queues": ("q3",)}, ["ready"]),
]


@pytest.mark.parametrize(("conditions", "expected"), CASES)
async def test_a_list_holds_what_its_conditions_say(
    house: House, conditions: dict[str, object], expected: list[str]
) -> None:
    made = await _one_of_each(house)

    query = replace(EVERYTHING, **conditions)  # type: ignore[arg-type] # a table of cases

    assert await _ids(house, query) == [made[name] for name in expected]
    assert await _ids(house, replace(query, newest_first=True)) == [made[name] for name in reversed(expected)]


async def test_a_filter_finds_a_job_by_its_id_and_by_its_exact_creation(house: House) -> None:
    jobs = [await house.job(await house.add()) for _ in range(3)]

    assert await _ids(house, replace(EVERYTHING, filter=f"id = {jobs[1].id}")) == [jobs[1].id]
    moment = jobs[1].created_at.isoformat()
    assert await _ids(house, replace(EVERYTHING, filter=f"created_at = {moment}")) == [jobs[1].id]


async def test_a_filter_that_does_not_parse_is_refused(house: House) -> None:
    with pytest.raises(FilterInvalid):
        await house.jobs.list(replace(EVERYTHING, filter="status ="))


@pytest.mark.parametrize("with_content", [False, True])
async def test_jobs_of_a_list_are_the_jobs_that_are_read_one_by_one(house: House, with_content: bool) -> None:
    await _one_of_each(house)
    await house.add(payload=b"p" * 5000, headers={"h": "1"})

    page = await house.jobs.list(replace(EVERYTHING, with_content=with_content))

    assert list(page.jobs) == [await house.jobs.get(job.id, with_content=with_content) for job in page.jobs]
    assert len(page.jobs) == 7


async def test_a_failed_job_shows_its_last_error(house: House) -> None:
    await _one_of_each(house)

    (job,) = (await house.jobs.list(replace(EVERYTHING, statuses=(JobStatus.FAILED,)))).jobs

    assert job.last_error is not None
    assert (job.last_error.type, job.last_error.message) == ("Boom", "no luck")


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("page_size", [1, 3, 7, 10])
async def test_pages_hold_every_job_once(house: House, newest_first: bool, page_size: int) -> None:
    added = [job.job_id for job in await house.enqueuer.enqueue_all([JobSpec(queue="q", kind="k")] * 7)]

    pages = await _pages(house, JobQuery(newest_first=newest_first, page_size=page_size))

    assert [job_id for page in pages for job_id in page] == (added[::-1] if newest_first else added)
    assert [len(page) for page in pages[:-1]] == [page_size] * (len(pages) - 1)
    assert pages[-1] != []


async def test_newest_first_pages_go_on_undisturbed_while_jobs_are_added_and_move(house: House) -> None:
    added = [await house.add() for _ in range(9)]
    query = JobQuery(page_size=3)
    seen: list[JobId] = []
    while not seen or query.page_token:
        page = await house.jobs.list(query)
        seen += [job.id for job in page.jobs]
        query = replace(query, page_token=page.next_page_token)
        await house.add(priority=Priority.LOW)
        await house.settle(await house.lease_one(), Succeeded())

    assert seen == added[::-1]


async def test_oldest_first_pages_come_to_the_jobs_that_are_added_meanwhile(house: House) -> None:
    added = [await house.add() for _ in range(4)]
    first = await house.jobs.list(JobQuery(newest_first=False, page_size=3))
    added.append(await house.add())

    rest = await _ids(house, JobQuery(newest_first=False, page_size=3, page_token=first.next_page_token))

    assert [job.id for job in first.jobs] + rest == added


async def test_a_page_that_begins_behind_a_deleted_job_goes_on(house: House) -> None:
    added = [await house.add() for _ in range(4)]
    first = await house.jobs.list(JobQuery(newest_first=False, page_size=2))
    await house.jobs.delete(added[1], force=False, allow_missing=False)

    rest = await _ids(house, JobQuery(newest_first=False, page_size=2, page_token=first.next_page_token))

    assert rest == added[2:]


@pytest.mark.parametrize("change", [{"queues": ("q",)}, {"filter": "kind = k"}, {"newest_first": False}])
async def test_a_token_belongs_to_its_list(house: House, change: dict[str, object]) -> None:
    for _ in range(2):
        await house.add()
    query = JobQuery(page_size=1)
    token = (await house.jobs.list(query)).next_page_token

    with pytest.raises(PageTokenInvalid):
        await house.jobs.list(replace(query, page_token=token, **change))  # type: ignore[arg-type] # a table of cases


async def test_another_page_size_may_go_on_with_a_token(house: House) -> None:
    added = [await house.add() for _ in range(4)]
    token = (await house.jobs.list(JobQuery(page_size=1))).next_page_token

    assert await _ids(house, JobQuery(page_size=9, page_token=token)) == added[2::-1]


async def test_a_token_of_nothing_is_refused(house: House) -> None:
    for token in ("x", new_job_id(), "A" * 40):
        with pytest.raises(PageTokenInvalid):
            await house.jobs.list(JobQuery(page_token=token))


async def test_without_jobs_there_is_one_empty_page(house: House) -> None:
    assert await _pages(house, EVERYTHING) == [[]]
