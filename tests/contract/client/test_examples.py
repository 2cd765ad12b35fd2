"""The examples, run as their reader would run them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import gosynq_client.examples
from gosynq.v1 import event_pb2, event_service_pb2, job_pb2, job_service_pb2
from tests.contract.client.scripted import Context, Script

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


async def test_a_job_is_watched_from_its_creation_to_its_end(script: Script, target: str) -> None:
    events = [
        event_pb2.JobEvent(event_id="1", type=event_pb2.EVENT_TYPE_CREATED, status=job_pb2.JOB_STATUS_PENDING),
        event_pb2.JobEvent(event_id="2", type=event_pb2.EVENT_TYPE_SUCCEEDED, status=job_pb2.JOB_STATUS_COMPLETED),
    ]

    async def watch(request: event_service_pb2.WatchEventsRequest, context: Context) -> AsyncIterator[Any]:
        yield event_service_pb2.WatchEventsResponse(cursor="c2", events=events)

    script.answer("EnqueueJob", job_service_pb2.EnqueueJobResponse(job_id="job-1", cursor="c1"))
    script.watches.append(watch)

    status, output = await run("watch_a_job", target)

    assert (status, output) == (0, "created pending None\nsucceeded completed None\n")
    [asked] = script.requests("WatchEvents")
    assert (list(asked.job_ids), asked.cursor, asked.stop_when_terminal) == (["job-1"], "c1", True)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_fits_a_screen(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 60
