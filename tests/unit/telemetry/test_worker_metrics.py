from datetime import UTC, datetime, timedelta

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gosynq_client.worker.observing import AttemptEnded
from gosynq_client.worker.outcomes import Succeeded
from gosynq_server.telemetry.worker import WorkerMetrics
from tests.unit.worker.memory_source import A_LEASE


async def scraped(metrics: WorkerMetrics) -> dict[str, float]:
    transport = httpx.ASGITransport(app=metrics.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as http:
        text = (await http.get("/metrics")).text
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_a_worker_tells_of_its_attempts_and_of_its_connection() -> None:
    connected = [False]
    metrics = WorkerMetrics(version="1.2.3", active=lambda: 7, connected=lambda: connected[0])
    metrics.attempt_ended(
        AttemptEnded(
            lease=A_LEASE,
            outcome=Succeeded(),
            started_at=datetime(2030, 1, 1, tzinfo=UTC),
            waited=timedelta(),
            duration=timedelta(seconds=1),
        )
    )
    seen = await scraped(metrics)
    assert (seen["gosynq_active_workers"], seen["gosynq_worker_connected"]) == (7, 0)
    assert (seen["gosynq_jobs_processed_total"], seen["gosynq_jobs_succeeded_total"]) == (1, 1)
    connected[0] = True
    assert (await scraped(metrics))["gosynq_worker_connected"] == 1
