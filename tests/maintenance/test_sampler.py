"""What the metrics tell of the queues is what is in them."""

from __future__ import annotations

from datetime import timedelta

from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.domain.job import JobStatus
from gosynq_server.maintenance.sampler import Sampler
from gosynq_server.telemetry.queues import QueueCollector
from tests.service.house import HOUR, House


async def _told(house: House) -> dict[tuple[str, ...], float]:
    collector = QueueCollector()
    await Sampler(house.database, collector).run_once()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


async def test_the_numbers_of_jobs_are_those_that_the_service_tells(house: House) -> None:
    await house.settle(await house.started(), Succeeded())
    await house.started()
    await house.add(queue="other", delay=HOUR)

    told = await _told(house)

    totals = {
        ("gosynq_queue_jobs", total.queue, str(status)): float(jobs)
        for total in await house.queue_verbs.totals()
        for status, jobs in total.counts.items()
    }
    assert {key: value for key, value in told.items() if key[0] == "gosynq_queue_jobs"} == totals
    assert totals["gosynq_queue_jobs", "q", "completed"] == totals["gosynq_queue_jobs", "q", "processing"] == 1
    assert len(totals) == 2 * len(JobStatus)


async def test_the_head_of_a_queue_is_told(house: House) -> None:
    await house.add()
    await house.add()
    await house.sql.execute("UPDATE gosynq.ready SET ready_at = ready_at - interval '1 hour'")

    told = await _told(house)

    assert told["gosynq_queue_length", "q"] == 2
    assert told["gosynq_oldest_ready_job_age_seconds", "q"] >= timedelta(hours=1).total_seconds()


async def test_nothing_is_told_of_numbers_that_are_not_counted_yet(house: House) -> None:
    await house.add()
    await house.sql.execute("DELETE FROM gosynq.queue_counting")

    told = await _told(house)

    assert [key for key in told if key[0] == "gosynq_queue_jobs"] == []
    await house.sql.execute("SELECT gosynq.recount()")
