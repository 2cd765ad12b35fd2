"""gosynq worker, as anyone starts it."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gosynq_client import Client, JobStatus
from tests.e2e.programs import found
from tests.e2e.worker.conftest import HANDLERS, Start
from tests.fault.servers import ServerProcess

pytestmark = pytest.mark.timeout(60)

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


async def until_it_runs(client: Client, job_id: str) -> None:
    """Return once a job is being worked on; the test's time limit is the patience."""
    while (await client.get(job_id)).status is not JobStatus.PROCESSING:
        pass


async def test_two_queues_are_worked_on_by_their_weights(work: Start, client: Client, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    queues = ("low", "high") * 20
    jobs = [await client.enqueue("noted", {"file": str(notes)}, queue=queue) for queue in queues]
    await work("--queue", "high:3", "--queue", "low:1", "--concurrency", "1", "--prefetch", "1")
    for job in jobs:
        assert (await client.wait(job.id)).status is JobStatus.COMPLETED
    assert Counter(notes.read_text(encoding="utf-8").split()[:20]) == {"high": 15, "low": 5}


async def test_a_cancel_reaches_the_handler_within_a_second(work: Start, client: Client) -> None:
    await (await work("--queue", "default")).ready()
    job = await client.enqueue("waiting", {})
    await until_it_runs(client, job.id)
    began = time.monotonic()
    await client.cancel(job.id, reason="not needed")
    assert (await client.wait(job.id)).status is JobStatus.CANCELLED
    assert time.monotonic() - began < 1


async def test_probes_see_that_a_worker_lives_and_whether_it_is_connected(work: Start, server: ServerProcess) -> None:
    worker = await (await work("--queue", "default")).ready()
    async with grpc.aio.insecure_channel(worker.addresses["health"]) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert (await watch.read()).status == SERVING
        await server.kill()
        assert (await watch.read()).status == NOT_SERVING
        assert (await health.Check(health_pb2.HealthCheckRequest(service="liveness"))).status == SERVING
        watch.cancel()


@pytest.mark.parametrize(("service", "status"), [("liveness", 0), ("readiness", 0), ("", 0), ("nothing", 3)])
async def test_the_real_probe_is_answered(work: Start, service: str, status: int) -> None:
    probe = found("grpc-health-probe")
    worker = await (await work("--queue", "default")).ready()
    process = await asyncio.create_subprocess_exec(
        *(probe, "-addr", worker.addresses["health"], "-service", service),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == status, said


async def test_metrics_tell_of_attempts_and_of_the_connection(work: Start, client: Client, tmp_path: Path) -> None:
    worker = await (await work("--queue", "default")).ready()
    job = await client.enqueue("noted", {"file": str(tmp_path / "notes")})
    await client.wait(job.id)
    async with httpx.AsyncClient(trust_env=False) as http:
        lines: list[str] = []
        # An attempt is counted when its result is acknowledged, which is after the job's end.
        while 'gosynq_jobs_succeeded_total{kind="noted",queue="default"} 1.0' not in lines:
            lines = (await http.get(f"http://{worker.addresses['metrics']}/metrics")).text.splitlines()
    assert "gosynq_worker_connected 1.0" in lines
    assert "gosynq_active_workers 0.0" in lines
    assert not [line for line in lines if line.startswith("gosynq_rpc")]


async def test_the_ready_file_is_there_while_it_works(work: Start, tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    worker = await (await work("--queue", "default", "--ready-file", str(ready_file), "--worker-id", "w-1")).ready()
    told = json.loads(ready_file.read_text(encoding="utf-8"))
    assert (told["worker_id"], told["pid"]) == ("w-1", worker.pid)
    assert told.items() >= worker.addresses.items()
    worker.signal(signal.SIGTERM)
    assert (await worker.ended()).status == 0
    assert not ready_file.exists()


async def test_a_thread_that_never_ends_does_not_keep_a_stopped_worker(work: Start, client: Client) -> None:
    worker = await (await work("--queue", "default", "--grace", "0s")).ready()
    job = await client.enqueue("endless", {})
    await until_it_runs(client, job.id)
    worker.signal(signal.SIGTERM)
    ended = await worker.ended()
    assert ended.status == 0
    assert "handlers were still running in threads and were cut off" in ended.log
    assert (await client.get(job.id)).status is JobStatus.PENDING


async def test_a_worker_that_another_one_replaces_gives_back_what_runs_ends_and_says_why(
    work: Start, client: Client
) -> None:
    first = await (await work("--queue", "default", "--worker-id", "twin")).ready()
    job = await client.enqueue("waiting", {})
    await until_it_runs(client, job.id)
    await (await work("--queue", "other", "--worker-id", "twin")).ready()
    ended = await first.ended()
    given_back = await client.get(job.id)
    assert (given_back.status, given_back.attempt) == (JobStatus.PENDING, 0)
    assert ended.status == 1
    error = json.loads(next(line for line in ended.log.splitlines() if line.startswith('{"error"')))["error"]
    assert (error["code"], error["reason"], error["details"]) == ("ABORTED", "SESSION_REPLACED", {"worker_id": "twin"})


async def test_a_worker_that_comes_before_its_server_waits_for_it_and_can_be_stopped(start: Start) -> None:
    worker = await start("worker", "--target", "127.0.0.1:1", "--handlers", HANDLERS, "--queue", "default")
    while "no stream to a server" not in worker.log():
        pass
    worker.signal(signal.SIGTERM)
    ended = await worker.ended()
    assert (ended.status, "Traceback" in ended.log) == (0, False), ended.log


async def test_a_worker_of_handlers_that_are_not_there_does_not_start(start: Start) -> None:
    worker = await start("worker", "--handlers", "tests.e2e.worker.nothing", "--queue", "default")
    ended = await worker.ended()
    assert ended.status == 2
    assert json.loads(ended.log)["error"]["reason"] == "HANDLERS_NOT_LOADED"
