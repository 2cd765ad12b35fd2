from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gosynq_client.worker.leases import Lease
from gosynq_client.worker.observing import AttemptEnded
from gosynq_client.worker.outcomes import AttemptError, Cancelled, Failed, Outcome, Succeeded
from gosynq_server.telemetry.metrics import Metrics

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FAILED = Failed(error=AttemptError(type="T", message="m"))


def ended(
    outcome: Outcome | None, *, queue: str = "mail", kind: str = "send", attempt: int = 1, waited: float = 0.003
) -> AttemptEnded:
    lease = Lease(
        job_id="j",
        queue=queue,
        kind=kind,
        priority=2,
        lease_seq=attempt,
        lease_token="",
        attempt=attempt,
        payload=b"",
        content_type="",
        labels={},
        headers={},
        max_retries=4,
        created_at=NOW,
        run_at=NOW,
        leased_at=NOW,
        lease_duration=timedelta(seconds=30),
        attempt_timeout=None,
    )
    return AttemptEnded(
        lease=lease,
        outcome=outcome,
        started_at=NOW,
        duration=timedelta(milliseconds=20),
        waited=timedelta(seconds=waited),
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3")


async def scrape(metrics: Metrics) -> dict[str, float]:
    """Read /metrics as Prometheus would: sample, with its labels, to value."""
    return dict(_samples(await text_of(metrics)))


async def text_of(metrics: Metrics) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(metrics.app()), base_url="http://gosynq") as http:
        response = await http.get("/metrics", follow_redirects=True)
    assert response.status_code == 200
    return response.text


def _samples(text: str) -> Iterator[tuple[str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            yield f"{sample.name}{{{labels}}}", sample.value


async def test_attempts_are_counted_by_what_they_came_to(metrics: Metrics) -> None:
    for event in (
        ended(Succeeded()),
        ended(Succeeded(), attempt=2),
        ended(FAILED),
        ended(Cancelled(message="")),
        ended(None, attempt=3),
    ):
        metrics.attempt_ended(event)
    samples = await scrape(metrics)
    labels = "{kind=send,queue=mail}"
    assert {
        name: samples[f"gosynq_jobs_{name}_total{labels}"] for name in ("processed", "succeeded", "failed", "retried")
    } == {"processed": 5, "succeeded": 2, "failed": 1, "retried": 2}


async def test_durations_and_waits_are_spread_over_buckets(metrics: Metrics) -> None:
    metrics.attempt_ended(ended(Succeeded()))
    metrics.attempt_ended(ended(Succeeded(), waited=-5))
    samples = await scrape(metrics)
    assert samples["gosynq_job_processing_time_seconds_bucket{kind=send,le=0.01,queue=mail}"] == 0
    assert samples["gosynq_job_processing_time_seconds_bucket{kind=send,le=0.025,queue=mail}"] == 2
    assert samples["gosynq_job_processing_time_seconds_count{kind=send,queue=mail}"] == 2
    assert samples["gosynq_job_processing_time_seconds_sum{kind=send,queue=mail}"] == pytest.approx(0.04)
    assert samples["gosynq_job_wait_seconds_bucket{le=0.001,queue=mail}"] == 1
    assert samples["gosynq_job_wait_seconds_bucket{le=0.005,queue=mail}"] == 2
    assert samples["gosynq_job_wait_seconds_bucket{le=+Inf,queue=mail}"] == 2


async def test_a_bucket_holds_its_own_bound(metrics: Metrics) -> None:
    metrics.attempt_ended(ended(Succeeded(), waited=0.005))
    assert (await scrape(metrics))["gosynq_job_wait_seconds_bucket{le=0.005,queue=mail}"] == 1


async def test_kinds_beyond_a_bound_are_other(metrics: Metrics) -> None:
    for number in range(300):
        metrics.attempt_ended(ended(Succeeded(), kind=f"kind{number}"))
    samples = await scrape(metrics)
    counts = {name: value for name, value in samples.items() if name.startswith("gosynq_jobs_processed_total")}
    assert len(counts) == 201
    assert counts["gosynq_jobs_processed_total{kind=other,queue=mail}"] == 100


async def test_pairs_of_queue_and_kind_are_bounded_too(metrics: Metrics) -> None:
    for queue in range(100):
        for kind in range(100):
            metrics.attempt_ended(ended(Succeeded(), queue=f"queue{queue}", kind=f"kind{kind}"))
    lines = [line for line in (await text_of(metrics)).splitlines() if line.startswith("gosynq_jobs_processed_total")]
    assert len(lines) == 1001
    assert lines[-1] == 'gosynq_jobs_processed_total{kind="other",queue="other"} 9000.0'


async def test_calls_are_counted_by_method_and_code(metrics: Metrics) -> None:
    metrics.rpc_ended("/gosynq.v1.JobService/GetJob", "OK", 0.002)
    metrics.rpc_ended("gosynq.v1.JobService/GetJob", "NOT_FOUND", 0.002)
    samples = await scrape(metrics)
    method = "method=gosynq.v1.JobService/GetJob"
    assert samples[f"gosynq_rpc_requests_total{{code=OK,{method}}}"] == 1
    assert samples[f"gosynq_rpc_requests_total{{code=NOT_FOUND,{method}}}"] == 1
    assert samples[f"gosynq_rpc_duration_seconds_count{{{method}}}"] == 2
    assert samples[f"gosynq_rpc_duration_seconds_bucket{{le=0.001,{method}}}"] == 0


async def test_methods_that_nobody_serves_are_other(metrics: Metrics) -> None:
    for number in range(5):
        metrics.rpc_ended(f"/made.up/Method{number}", "UNIMPLEMENTED", 0.001)
    samples = await scrape(metrics)
    assert samples["gosynq_rpc_requests_total{code=UNIMPLEMENTED,method=other}"] == 5
    assert not [name for name in samples if "made.up" in name]


async def test_methods_beyond_a_bound_are_other(metrics: Metrics) -> None:
    for number in range(210):
        metrics.rpc_ended(f"/s/M{number}", "OK", 0.001)
    assert (await scrape(metrics))["gosynq_rpc_requests_total{code=OK,method=other}"] == 10


async def test_queues_show_their_last_sample(metrics: Metrics) -> None:
    metrics.queues.sampled({"mail": (7, timedelta(seconds=90)), "gone": (1, None)})
    metrics.queues.sampled({"mail": (5, timedelta(seconds=60)), "idle": (0, None)})
    samples = await scrape(metrics)
    assert samples["gosynq_queue_length{queue=mail}"] == 5
    assert samples["gosynq_oldest_ready_job_age_seconds{queue=mail}"] == 60
    assert samples["gosynq_oldest_ready_job_age_seconds{queue=idle}"] == 0
    assert "gosynq_queue_length{queue=gone}" not in samples


async def test_queues_show_how_many_jobs_of_each_status_they_have(metrics: Metrics) -> None:
    metrics.queues.counted({"gone": {"failed": 1}})
    metrics.queues.counted({"mail": {"pending": 3, "failed": 0}})

    samples = {name: value for name, value in (await scrape(metrics)).items() if name.startswith("gosynq_queue_jobs")}

    assert samples == {
        "gosynq_queue_jobs{queue=mail,status=pending}": 3,
        "gosynq_queue_jobs{queue=mail,status=failed}": 0,
    }


async def test_queues_beyond_a_bound_are_not_told(metrics: Metrics) -> None:
    names = [f"q{number}" for number in range(1100)]
    metrics.queues.sampled(dict.fromkeys(names, (1, None)))
    metrics.queues.counted({key: {"pending": 1} for key in names})
    samples = list(await scrape(metrics))
    for family in ("gosynq_queue_length", "gosynq_queue_jobs"):
        assert len([name for name in samples if name.startswith(family)]) == 1000


async def test_events_are_counted_in_and_out_and_by_their_age(metrics: Metrics) -> None:
    metrics.events.read(3, timedelta(milliseconds=20))
    metrics.events.read(2, timedelta(seconds=2))
    metrics.events.sent(7)
    metrics.events.slow_consumer()
    metrics.events.watch_by(lambda: 4, lambda: timedelta(seconds=1.5))

    told = await scrape(metrics)

    assert told["gosynq_events_read_total{}"] == 5
    assert told["gosynq_events_sent_total{}"] == 7
    assert told["gosynq_slow_consumers_total{}"] == 1
    assert (told["gosynq_watchers{}"], told["gosynq_watch_furthest_behind_seconds{}"]) == (4, 1.5)
    assert (told["gosynq_event_lag_seconds_bucket{le=0.025}"], told["gosynq_event_lag_seconds_count{}"]) == (1, 2)


async def test_without_watches_nobody_is_behind(metrics: Metrics) -> None:
    told = await scrape(metrics)

    assert (told["gosynq_watchers{}"], told["gosynq_watch_furthest_behind_seconds{}"]) == (0, 0)


async def test_active_workers_are_counted_when_prometheus_asks(metrics: Metrics) -> None:
    active = [1]
    metrics.count_active_workers_by(lambda: active[0])
    active[0] = 4
    assert (await scrape(metrics))["gosynq_active_workers{}"] == 4


async def test_worker_sessions_are_counted_when_prometheus_asks(metrics: Metrics) -> None:
    sessions = [1]
    metrics.count_worker_sessions_by(lambda: sessions[0])
    sessions[0] = 3
    assert (await scrape(metrics))["gosynq_worker_sessions{}"] == 3


async def test_the_version_is_told(metrics: Metrics) -> None:
    assert (await scrape(metrics))["gosynq_server_info{version=1.2.3}"] == 1


async def test_two_servers_in_one_process_do_not_share_metrics(metrics: Metrics) -> None:
    metrics.rpc_ended("/s/M", "OK", 0.001)
    assert not [name for name in await scrape(Metrics(version="2")) if "rpc_requests" in name]


async def test_the_page_answers_without_a_detour(metrics: Metrics) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(metrics.app()), base_url="http://metrics") as client:
        page = await client.get("/metrics", follow_redirects=False)
        elsewhere = await client.get("/")
    assert (page.status_code, elsewhere.status_code) == (200, 404)
    assert page.headers["content-type"].startswith("text/plain")
