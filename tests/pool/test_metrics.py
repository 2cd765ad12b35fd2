"""What the pool counts is what the tables hold."""

from __future__ import annotations

import asyncio

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gosynq_client.worker import Handlers, Job, RuntimeOptions, WorkerRuntime
from gosynq_server.telemetry.metrics import Metrics
from tests.service.house import HOUR, House

_TOO_LARGE = 300_000


def _handlers() -> Handlers:
    handlers = Handlers()

    @handlers.register("k")
    async def answer(job: Job) -> dict[str, str]:
        if job.payload == "raise":
            raise LookupError
        return {"text": "t" * job.payload}

    return handlers


async def _counted(metrics: Metrics) -> dict[str, float]:
    transport = httpx.ASGITransport(app=metrics.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        sample.name.removeprefix("gosynq_jobs_").removesuffix("_total"): sample.value
        for sample in samples
        if sample.name.startswith("gosynq_jobs_")
    }


async def test_attempts_are_counted_by_what_was_recorded_of_them(house: House) -> None:
    metrics = Metrics(version="1")
    runtime = WorkerRuntime(house.source(), _handlers(), RuntimeOptions(), observe=metrics.attempt_ended)
    jobs = [await house.add(payload=payload, max_retries=0) for payload in (b"3", b"%d" % _TOO_LARGE, b'"raise"')]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.run())
        for job in jobs:
            await house.jobs.wait(job, HOUR)
        runtime.stop()

    counted = await _counted(metrics)
    completed = await house.sql.fetchval("SELECT count(*) FROM gosynq.finished WHERE status = 'completed'")
    failed = await house.sql.fetchval("SELECT count(*) FROM gosynq.attempts WHERE outcome = 'failed'")
    assert (completed, failed) == (1, 2)
    assert counted == {"processed": 3, "succeeded": completed, "failed": failed, "retried": 0}
