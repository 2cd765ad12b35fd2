import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.request import urlopen

import pytest

from tests.e2e.cli.commands import Done, Served

Run: TypeAlias = Callable[..., Done]

FILE = '{"path": "gosynq_server/__main__.py"}'
NOBODYS = "018f0000-0000-7000-8000-000000000000"


def enqueue(client: Run, *arguments: str) -> str:
    done = client("enqueue", *arguments)
    assert done.status == 0, done.error
    return done.out.strip()


def test_a_job_that_is_waited_for_comes_out_completed(client: Run) -> None:
    done = client("enqueue", "word_count", FILE, "--wait", "--timeout", "15s", "--json")
    assert done.status == 0, done.error
    [job] = done.documents
    assert (job["kind"], job["status"], job["attempt"]) == ("word_count", "completed", 1)
    assert job["result"]["words"] > 0


def test_a_job_that_fails_is_told_with_status_1(client: Run) -> None:
    done = client("enqueue", "image_resizing", '{"side": 0}', "--wait", "--timeout", "15s")
    assert done.status == 1
    assert "Discarded: side is a whole number from 4 to 256, not 0" in done.out


def test_a_payload_is_taken_from_standard_input(client: Run) -> None:
    job_id = client("enqueue", "word_count", "-", "--delay", "1h", given='{"path": "é"}').out.strip()
    [job] = client("jobs", "get", job_id, "--json").documents
    assert job["payload"] == {"path": "é"}


def test_a_payload_that_is_no_json_keeps_its_bytes(client: Run, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\x00\xff")
    job_id = enqueue(client, "k", f"@{tmp_path / 'data'}", "--content-type", "application/x-data", "--delay", "1h")
    [job] = client("jobs", "get", job_id, "--json").documents
    assert (job["payload"], job["content_type"]) == ("AP8=", "application/x-data")


def test_everything_that_is_said_of_a_job_reaches_the_server(client: Run) -> None:
    job_id = enqueue(
        client,
        *("word_count", FILE, "--queue", "special", "--priority", "critical", "--run-at", "2130-01-01T00:00:00Z"),
        *("--key", "once", "--label", "tenant=acme", "--label", "tier=gold", "--max-retries", "7"),
    )
    [job] = client("jobs", "get", job_id, "--json").documents
    assert {
        name: job[name] for name in ("queue", "priority", "run_at", "idempotency_key", "labels", "max_retries")
    } == {
        "queue": "special",
        "priority": "critical",
        "run_at": "2130-01-01T00:00:00Z",
        "idempotency_key": "once",
        "labels": {"tenant": "acme", "tier": "gold"},
        "max_retries": 7,
    }


def test_a_program_is_told_whether_the_job_was_there_already(client: Run) -> None:
    arguments = ("enqueue", "word_count", FILE, "--key", "told", "--delay", "1h", "--json")
    [first], [second] = client(*arguments).documents, client(*arguments).documents
    assert (first["deduplicated"], second) == (False, {**first, "deduplicated": True, "cursor": None})


def test_a_key_makes_one_job_of_two_calls(client: Run) -> None:
    first = enqueue(client, "word_count", FILE, "--key", "twice", "--delay", "1h")
    assert enqueue(client, "word_count", FILE, "--key", "twice", "--delay", "1h") == f"{first} (was there already)"


def test_a_key_with_another_spec_is_refused(client: Run) -> None:
    first = enqueue(client, "word_count", FILE, "--key", "other", "--delay", "1h")
    done = client("enqueue", "word_count", "{}", "--key", "other", "--delay", "1h")
    assert done.status == 1
    assert done.error.startswith(f"gosynq: The idempotency key names job {first}")


def test_a_check_adds_nothing(client: Run) -> None:
    assert enqueue(client, "word_count", "--queue", "checked", "--check") == "it would be taken"
    assert client("jobs", "list", "--queue", "checked", "--json").documents == []


def test_jobs_are_listed_by_what_they_are(client: Run) -> None:
    for label in ("x", "y"):
        enqueue(client, "word_count", "--queue", "listed", "--label", f"l={label}", "--delay", "1h")
    listed = client("jobs", "list", "--queue", "listed", "--status", "pending", "--filter", 'labels.l = "y"', "--json")
    assert [job["labels"] for job in listed.documents] == [{"l": "y"}]


def test_a_list_ends_at_its_limit_and_can_begin_with_the_oldest(client: Run) -> None:
    ids = [enqueue(client, "word_count", "--queue", "limited", "--delay", "1h") for _ in range(3)]
    newest = client("jobs", "list", "--queue", "limited", "--limit", "2", "--json").documents
    oldest = client("jobs", "list", "--queue", "limited", "--limit", "1", "--oldest-first", "--json").documents
    assert [job["id"] for job in newest] == [ids[2], ids[1]]
    assert [job["id"] for job in oldest] == [ids[0]]


def test_a_list_for_people_has_a_line_for_each_job(client: Run) -> None:
    job_id = enqueue(client, "word_count", "--queue", "people", "--delay", "1h")
    lines = client("jobs", "list", "--queue", "people").out.splitlines()
    assert lines[0].split() == ["ID", "QUEUE", "KIND", "STATUS", "PRIORITY", "ATTEMPT", "CREATED", "ERROR"]
    assert lines[1].split()[:6] == [job_id, "people", "word_count", "pending", "normal", "0"]


def test_a_bad_filter_is_refused_in_one_line(client: Run) -> None:
    done = client("jobs", "list", "--filter", "a ===")
    assert done.status == 1
    assert done.error.startswith("gosynq: The filter does not parse")
    assert done.error.count("\n") == 1


def test_the_attempts_of_a_failed_job_are_shown(client: Run) -> None:
    [job] = client("enqueue", "image_resizing", '{"side": 1}', "--wait", "--timeout", "15s", "--json").documents
    [attempt] = client("jobs", "attempts", job["id"], "--json").documents
    assert (attempt["outcome"], attempt["error"]["type"]) == ("failed", "Discarded")
    assert "Discarded" in client("jobs", "attempts", job["id"]).out


def test_a_failed_job_is_shown_with_its_stack_trace(client: Run) -> None:
    [job] = client(
        "enqueue", "backup_task", '{"disk_full": true}', "--max-retries", "0", "--wait", "--timeout", "15s", "--json"
    ).documents
    lines = client("jobs", "get", job["id"]).out.splitlines()
    assert ["error", "OSError: no space left on the backup device"] in [line.split(maxsplit=1) for line in lines]
    assert lines[-1].strip() == "OSError: no space left on the backup device"
    assert any('gosynq_server/demo/handlers.py", line ' in line for line in lines)


def test_a_wait_that_is_up_says_where_the_job_is(client: Run) -> None:
    job_id = enqueue(client, "word_count", "--delay", "1h")
    done = client("jobs", "wait", job_id, "--timeout", "100ms")
    assert (done.status, done.error) == (1, f"gosynq: job {job_id} is still pending\n")


def test_a_job_is_cancelled_retried_and_deleted(client: Run) -> None:
    job_id = enqueue(client, "word_count", FILE, "--delay", "1h")
    assert client("jobs", "cancel", job_id, "--reason", "because").out == f"{job_id} is cancelled\n"
    assert client("jobs", "retry", job_id, "--run-at", "2130-01-01T00:00:00Z").out == f"{job_id} is pending\n"
    assert client("jobs", "retry", job_id).status == 0
    assert client("jobs", "wait", job_id, "--timeout", "15s").status == 0
    assert client("jobs", "delete", job_id).out == f"{job_id} is deleted\n"
    done = client("jobs", "get", job_id)
    assert (done.status, done.error) == (1, f"gosynq: Job {job_id} not found.\n")


def test_of_many_jobs_the_refused_ones_are_told_and_the_others_done(client: Run) -> None:
    ids = [enqueue(client, "word_count", "--delay", "1h") for _ in range(2)]
    done = client("jobs", "cancel", "-", given=f"{ids[0]}\n{NOBODYS}\n{ids[1]}\n")
    assert (done.status, done.out) == (1, "".join(f"{job_id} is cancelled\n" for job_id in ids))
    assert done.error == f"gosynq: {NOBODYS}: Job {NOBODYS} not found.\n"


def test_of_many_jobs_each_refused_one_is_an_object_for_a_program(client: Run) -> None:
    job_id = enqueue(client, "word_count", "--delay", "1h")
    done = client("jobs", "cancel", NOBODYS, job_id, NOBODYS, "--json")
    assert (done.status, [job["id"] for job in done.documents]) == (1, [job_id])
    refused = {
        "code": "NOT_FOUND",
        "reason": "JOB_NOT_FOUND",
        "message": f"Job {NOBODYS} not found.",
        "details": {"job_id": NOBODYS},
    }
    assert [json.loads(line) for line in done.error.splitlines()] == [{"error": refused}] * 2


def test_a_broken_rule_is_told_to_a_program_by_its_field(client: Run) -> None:
    done = client("enqueue", "k", "--queue", "a b", "--json")
    [error] = [json.loads(line)["error"] for line in done.error.splitlines()]
    assert (done.status, error["code"], error["reason"]) == (1, "INVALID_ARGUMENT", "VALIDATION_FAILED")
    assert [violation["field"] for violation in error["details"]["violations"]] == ["job.queue"]


def test_a_wait_that_is_up_is_told_to_a_program_with_the_jobs_status(client: Run) -> None:
    job_id = enqueue(client, "word_count", "--delay", "1h")
    done = client("jobs", "wait", job_id, "--timeout", "100ms", "--json")
    assert (done.status, done.out) == (1, "")
    assert json.loads(done.error)["error"] == {
        "code": "DEADLINE_EXCEEDED",
        "reason": "JOB_NOT_DONE",
        "message": f"job {job_id} is still pending",
        "details": {"job_id": job_id, "status": "pending"},
    }


def test_a_missing_job_may_be_deleted_where_that_is_allowed(client: Run) -> None:
    assert client("jobs", "delete", NOBODYS).status == 1
    done = client("jobs", "delete", NOBODYS, "--allow-missing", "--json")
    assert (done.status, done.documents) == (0, [{"job_id": NOBODYS}])


@pytest.mark.parametrize("service", ["", "liveness", "readiness", "gosynq.v1.JobService"])
def test_a_server_that_serves_is_healthy(client: Run, service: str) -> None:
    done = client("health", service)
    assert (done.status, done.out) == (0, "serving\n")


def test_the_health_port_answers_too(server: Served, client: Run) -> None:
    [health] = client("health", "--json", "--target", server.addresses["health"]).documents
    assert health == {"target": server.addresses["health"], "service": "", "status": "serving"}


def test_a_service_that_is_not_there_is_not_healthy(client: Run) -> None:
    done = client("health", "no.such.Service")
    assert (done.status, done.out) == (1, "unknown\n")


def test_the_doctor_knows_that_a_server_runs(server: Served, client: Run, shared_database_url: str) -> None:
    port = server.addresses["grpc"].rpartition(":")[2]
    done = client("doctor", "--database-url", shared_database_url, "--grpc-port", port, "--http-port", "0", "--json")
    findings = {finding["check"]: finding for finding in done.documents}
    assert findings["grpc_port"]["message"] == f"{port} is taken, and a server answers here"
    assert findings["schema"]["verdict"] == "fine"
    # The tests' own PostgreSQL gives up surviving a crash, which is just what a doctor is to find.
    assert findings["fsync"]["verdict"] == "wrong"
    assert done.status == 1


def test_metrics_tell_of_the_jobs_that_ran(server: Served, client: Run) -> None:
    assert client("enqueue", "word_count", FILE, "--queue", "metered", "--wait", "--timeout", "15s").status == 0
    with urlopen(f"http://{server.addresses['metrics']}/metrics", timeout=10) as response:
        text = response.read().decode()
    assert 'gosynq_jobs_succeeded_total{kind="word_count",queue="metered"} 1.0' in text
    assert 'gosynq_rpc_requests_total{code="OK",method="gosynq.v1.JobService/EnqueueJob"}' in text
