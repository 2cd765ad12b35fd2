"""Commands on many jobs, and on workers, against a scripted server: what they ask and tell, and how they stop."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from gosynq.v1 import admin_service_pb2, job_pb2, job_service_pb2, queue_service_pb2, worker_pb2
from tests.e2e.cli.commands import GOSYNQ, Done, environment, gosynq
from tests.e2e.cli.scripted import Script, scripted_server

Run = Callable[..., Done]

SOME = job_service_pb2.BulkSummary(affected=2, skipped=1, more=True, sample_job_ids=["a", "b"], next_page_token="on")
REST = job_service_pb2.BulkSummary(affected=1, sample_job_ids=["c"])
A_JOB = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def client(script: Script) -> Run:
    def run(*arguments: str, given: str = "") -> Done:
        return gosynq(*arguments, given=given, GOSYNQ_TARGET=script.target)

    return run


def deletions(*summaries: job_service_pb2.BulkSummary) -> list[Message]:
    return [job_service_pb2.BulkDeleteJobsResponse(summary=summary) for summary in summaries]


def interrupted(answer: Message) -> Callable[[], Message]:
    def interrupt() -> Message:
        os.kill(os.getpid(), signal.SIGINT)
        return answer

    return interrupt


def test_calls_are_repeated_while_there_is_more_and_the_sum_is_told(script: Script, client: Run) -> None:
    script.answer("BulkDeleteJobs", *deletions(SOME, REST))

    done = client("jobs", "bulk-delete", "--queue", "mail", "--yes", "--limit", "2")

    assert (done.status, done.out) == (0, "3 jobs deleted, 1 skipped\n")
    assert [(request.limit, request.page_token) for request in script.requests["BulkDeleteJobs"]] == [
        (2, ""),
        (2, "on"),
    ]


def test_a_program_is_told_the_sum_in_one_document(script: Script, client: Run) -> None:
    script.answer("BulkDeleteJobs", *deletions(SOME, REST))

    done = client("jobs", "bulk-delete", "--queue", "mail", "--yes", "--json")

    assert done.documents == [
        {
            "affected": 3,
            "skipped": 1,
            "more": False,
            "sample_job_ids": ["a", "b", "c"],
            "next_page_token": "",
            "dry_run": False,
            "stopped": False,
        }
    ]


def test_a_dry_run_only_asks(script: Script, client: Run) -> None:
    script.answer("BulkDeleteJobs", *deletions(SOME, REST))

    done = client("jobs", "bulk-delete", "--queue", "mail", "--dry-run")

    assert (done.status, done.out) == (0, "3 jobs would be deleted, 1 skipped\n")
    assert all(request.validate_only for request in script.requests["BulkDeleteJobs"])


def test_ctrl_c_lets_the_call_end_and_tells_what_was_done(script: Script, client: Run) -> None:
    [first, second] = deletions(SOME, SOME)
    script.answer("BulkDeleteJobs", first, interrupted(second))

    done = client("jobs", "bulk-delete", "--queue", "mail", "--yes")

    assert (done.status, done.out) == (130, "stopped: 4 jobs deleted, 2 skipped\n")


def test_a_call_that_fails_does_not_hide_what_was_done_before(script: Script, client: Run) -> None:
    script.answer("BulkDeleteJobs", *deletions(SOME), grpc.StatusCode.INTERNAL)

    done = client("jobs", "bulk-delete", "--queue", "mail", "--yes", "--json")

    assert done.status == 1
    assert [(told["affected"], told["stopped"], told["next_page_token"]) for told in done.documents] == [
        (2, True, "on")
    ]
    assert json.loads(done.error)["error"]["code"] == "INTERNAL"


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "bulk-delete", "--all"),
        ("jobs", "bulk-cancel", "--all"),
        ("dlq", "purge", "--all"),
        ("queues", "purge", "mail"),
        ("queues", "delete", "mail", "--force"),
    ],
)
def test_what_takes_jobs_away_needs_a_yes_where_nobody_can_be_asked(
    script: Script, client: Run, arguments: tuple[str, ...]
) -> None:
    done = client(*arguments)

    assert (done.status, done.error) == (
        2,
        "gosynq: Invalid value for --yes: it is needed where nobody can be asked\n",
    )
    assert not script.requests


@pytest.mark.parametrize(
    ("typed", "status", "out", "asked"),
    [(b"y\n", 0, b"1 job deleted\n", [True, False]), (b"\n", 1, b"", [True]), (b"\x04", 1, b"", [True])],
)
def test_on_a_terminal_it_is_told_how_many_it_would_be_and_asked(
    script: Script, typed: bytes, status: int, out: bytes, asked: list[bool]
) -> None:
    script.answer("BulkDeleteJobs", *deletions(REST, REST))
    ours, theirs = pty.openpty()
    command = [*GOSYNQ, "jobs", "bulk-delete", "--queue", "mail", "--target", script.target]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment())
    os.close(theirs)

    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, typed)

    told, _ = process.communicate(timeout=15)
    os.close(ours)
    assert b"1 job would be deleted. Go on?" in said
    assert (process.returncode, told) == (status, out)
    assert [request.validate_only for request in script.requests["BulkDeleteJobs"]] == asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], 'id != ""'),
        (["--filter", "attempt > 1"], "attempt > 1"),
        (["--queue", 'a"\\b'], 'queue = "a\\"\\\\b"'),
        (
            ["--queue", "a", "--queue", "b", "--kind", "k", "--status", "Failed", "--filter", "attempt > 1"],
            '(status = "failed") AND (queue = "a" OR queue = "b") AND (kind = "k") AND (attempt > 1)',
        ),
    ],
)
def test_the_options_become_one_filter(script: Script, client: Run, arguments: list[str], said: str) -> None:
    script.answer("BulkRetryJobs", job_service_pb2.BulkRetryJobsResponse(summary=REST))

    done = client("jobs", "bulk-retry", *arguments)

    assert (done.status, done.out) == (0, "1 job retried\n")
    assert [request.selector.filter for request in script.requests["BulkRetryJobs"]] == [said]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["jobs", "bulk-retry"], "Invalid value for --all: say which jobs by --filter, --queue, --kind, --status, or"),
        (["jobs", "bulk-retry", "--all", "--queue", "a"], "Invalid value for --all: it excludes what says less"),
        (["jobs", "bulk-retry", "--status", "x"], "Invalid value for --status: 'x' is not one of pending, processing,"),
        (["jobs", "bulk-retry", "--all", "--limit", "0"], "Invalid value for '--limit'"),
        (["dlq", "redrive"], "Invalid value for --all: say which jobs by ids, --filter, --queue, --kind,"),
        (["dlq", "redrive", A_JOB, "--queue", "a"], "Invalid value for JOB_IDS: either ids say which jobs, or options"),
        (["dlq", "redrive", "--all", "--spread", "x"], "Invalid value for --spread: 'x' is not a duration such as"),
        (["dlq", "list", "--since", "x"], "Invalid value for --since: 'x' is neither a duration such as 10m nor a"),
        (["queues", "purge", "q", "--yes", "--status", "processing"], "Invalid value for --status: jobs that run are"),
    ],
)
def test_a_bad_choice_names_the_option(script: Script, client: Run, arguments: list[str], problem: str) -> None:
    done = client(*arguments)

    assert (done.status, done.error[: len("gosynq: ") + len(problem)]) == (2, f"gosynq: {problem}")
    assert not script.requests


def test_dead_letters_are_redriven_by_what_they_are_to_another_queue_over_a_time(script: Script, client: Run) -> None:
    script.answer(
        "RedriveDeadLetterJobs",
        *[admin_service_pb2.RedriveDeadLetterJobsResponse(summary=summary) for summary in (SOME, REST)],
    )
    since = "2030-01-31T12:00:00Z"

    done = client(
        *("dlq", "redrive", "--queue", "mail", "--error-type", "Smtp", "--since", since),
        *("--to", "slow", "--spread", "10m"),
    )

    assert (done.status, done.out) == (0, "3 jobs redriven, 1 skipped\n")
    [first, second] = script.requests["RedriveDeadLetterJobs"]
    assert (first.target_queue, first.spread.seconds, second.page_token) == ("slow", 600, "on")
    assert first.selector.filter == (
        '(queue = "mail") AND (error_type = "Smtp") AND (finished_at >= "2030-01-31T12:00:00+00:00")'
    )


def test_dead_letters_are_purged_by_the_ids_on_standard_input(script: Script, client: Run) -> None:
    script.answer("PurgeDeadLetterJobs", admin_service_pb2.PurgeDeadLetterJobsResponse(summary=REST))

    done = client("dlq", "purge", "-", "--yes", given=f"{A_JOB}\n")

    assert (done.status, done.out) == (0, "1 job deleted\n")
    assert [list(request.selector.ids.job_ids) for request in script.requests["PurgeDeadLetterJobs"]] == [[A_JOB]]


def test_dead_letters_are_listed_with_their_errors(script: Script, client: Run) -> None:
    job = job_pb2.Job(id=A_JOB, queue="mail", kind="k", last_error=job_pb2.JobError(type="Smtp", message="refused"))
    script.answer("ListDeadLetterJobs", admin_service_pb2.ListDeadLetterJobsResponse(jobs=[job]))

    done = client("dlq", "list", "--queue", "mail", "--since", "10m", "--limit", "5")

    header, row = (line.split() for line in done.out.splitlines())
    assert header == ["ID", "QUEUE", "KIND", "ATTEMPT", "FAILED", "TYPE", "ERROR"]
    assert (row[0], row[-2:]) == (A_JOB, ["Smtp", "refused"])
    [request] = script.requests["ListDeadLetterJobs"]
    assert (list(request.queue), request.page_size) == (["mail"], 5)
    age: Any = datetime.now(UTC) - request.start_at.ToDatetime(tzinfo=UTC)
    assert 600 <= age.total_seconds() < 660


def test_workers_are_listed_with_what_they_take_and_are_busy_with(script: Script, client: Run) -> None:
    worker = worker_pb2.WorkerInfo(
        worker_id="w",
        state=worker_pb2.WORKER_STATE_LOST,
        queues=[worker_pb2.QueueSubscription(queue="a", weight=3), worker_pb2.QueueSubscription(queue="b", weight=1)],
        in_flight=1,
        max_in_flight=10,
        server_id="s",
    )
    script.answer("ListWorkers", admin_service_pb2.ListWorkersResponse(workers=[worker]))

    done = client("workers", "list", "--queue", "a")

    header, row = (line.split() for line in done.out.splitlines())
    assert header == ["WORKER", "STATE", "BUSY", "QUEUES", "SEEN", "SERVER", "PROGRAM", "KINDS"]
    assert row == ["w", "lost", "1/10", "a:3", "b", "-", "s", "-", "all"]
    assert [request.queue for request in script.requests["ListWorkers"]] == ["a"]


def test_a_worker_is_told_to_drain(script: Script, client: Run) -> None:
    worker = worker_pb2.WorkerInfo(worker_id="w", state=worker_pb2.WORKER_STATE_DRAINING, in_flight=2)
    script.answer("DrainWorker", admin_service_pb2.DrainWorkerResponse(worker=worker))

    done = client("workers", "drain", "w", "--reason", "why")

    assert (done.status, done.out) == (0, "w is draining; it has 2 jobs left\n")
    assert [request.reason for request in script.requests["DrainWorker"]] == ["why"]


def test_a_purge_says_the_statuses_and_tells_a_lower_bound_where_it_only_asks(script: Script, client: Run) -> None:
    script.answer("PurgeQueue", queue_service_pb2.PurgeQueueResponse(deleted=10000, more=True))

    done = client("queues", "purge", "mail", "--status", "failed", "--dry-run")

    assert (done.status, done.out) == (0, "10000 or more jobs would be deleted\n")
    [request] = script.requests["PurgeQueue"]
    assert (list(request.statuses), request.limit) == ([job_pb2.JOB_STATUS_FAILED], 10000)
