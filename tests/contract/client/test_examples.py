"""The examples, run as their reader would run them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

import gosynq_client.examples
from gosynq.v1 import job_pb2, job_service_pb2
from tests.contract.client.scripted import Script

FOLDER = Path(gosynq_client.examples.__path__[0])
ENQUEUED = job_service_pb2.EnqueueJobResponse(job_id="job-1", status=job_pb2.JOB_STATUS_PENDING)


def done(status: job_pb2.JobStatus.ValueType = job_pb2.JOB_STATUS_COMPLETED) -> job_service_pb2.WaitJobResponse:
    job = job_pb2.Job(id="job-1", status=status, result_bytes=b'{"words":6}', result_content_type="application/json")
    return job_service_pb2.WaitJobResponse(done=True, job=job)


async def run(name: str, *arguments: str, **environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"gosynq_client.examples.{name}",
        *arguments,
        cwd=FOLDER.parents[1],
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_one_job_is_enqueued_and_its_result_shown(script: Script, target: str) -> None:
    script.answer("EnqueueJob", ENQUEUED)
    script.answer("WaitJob", done())

    assert await run("enqueue_and_wait", target) == (0, "job-1 completed {'words': 6}\n")


async def test_a_job_that_fails_fails_the_example(script: Script, target: str) -> None:
    script.answer("EnqueueJob", ENQUEUED)
    script.answer("WaitJob", done(job_pb2.JOB_STATUS_FAILED))

    status, output = await run("enqueue_and_wait", GOSYNQ_TARGET=target)

    assert (status, output) == (1, "failed: None\n")


async def test_a_batch_is_enqueued_awaited_and_listed(script: Script, target: str) -> None:
    script.answer("BatchEnqueueJobs", job_service_pb2.BatchEnqueueJobsResponse(results=[ENQUEUED]))
    script.answer("WaitJob", done())
    script.answer("ListJobs", job_service_pb2.ListJobsResponse(jobs=[done().job]))

    status, output = await run("batch_and_list", GOSYNQ_TARGET=target)

    assert (status, output) == (0, "job-1 completed {'words': 6}\n")
    [batch] = script.requests("BatchEnqueueJobs")
    [listed] = script.requests("ListJobs")
    assert listed.filter == f'labels.batch = "{batch.jobs[0].labels["batch"]}"'


async def test_each_handler_is_tried(script: Script, target: str) -> None:
    script.answer("EnqueueJob", ENQUEUED, ENQUEUED)
    script.answer("WaitJob", done(), done())

    status, output = await run("handlers", target)

    assert (status, output) == (0, "word_count completed {'words': 6}\nchecksum completed {'words': 6}\n")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_screen(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 40
