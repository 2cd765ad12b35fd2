"""Queues, workers and explanations over a real server, as anyone types it."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.e2e.cli.commands import Done

Run = Callable[..., Done]


def fields(done: Done) -> dict[str, str]:
    """Read what print_fields wrote, the names of several words apart."""
    return dict(line.split(maxsplit=1) for line in done.out.splitlines() if "  " in line)


def enqueued(client: Run, *arguments: str) -> str:
    done = client("enqueue", "nobodys", "{}", *arguments)
    assert done.status == 0, done.error
    return done.out.split()[0]


def test_a_queue_is_made_changed_and_shown_by_the_options_that_set_it(client: Run) -> None:
    done = client(
        *("queues", "set", "made", "--create", "--max-concurrency", "2", "--max-leases-per-second", "1.5"),
        *("--priority", "high", "--backoff-initial", "10s", "--strict-priorities", "--description", "for letters"),
        *("--fairness-weight", "acme=3", "--fairness-weight", "a=b=2"),
    )
    assert done.status == 0, done.error
    assert client("queues", "set", "made", "--clear", "max-concurrency", "--no-strict-priorities").status == 0

    shown = fields(client("queues", "get", "made"))
    [queue] = client("queues", "get", "made", "--json").documents

    assert "max-concurrency" not in shown
    assert (shown["max-leases-per-second"], shown["backoff-initial"], shown["priority"]) == ("1.5", "10s", "high")
    assert shown["description"] == "for letters"
    assert queue["order"] == {
        "priority_ageing": None,
        "strict_priorities": False,
        "fairness_weights": {"acme": 3, "a=b": 2},
    }
    assert queue["defaults"]["retry_policy"]["initial_backoff"] == 10


def test_a_change_is_refused_where_the_queue_is_not_as_it_was_read(client: Run) -> None:
    client("queues", "set", "guarded", "--create")

    done = client("queues", "set", "guarded", "--max-concurrency", "2", "--etag", "other", "--json")

    assert (done.status, json.loads(done.error)["error"]["reason"]) == (1, "ETAG_MISMATCH")


def test_a_refused_value_is_told_with_the_option_that_sets_it(client: Run) -> None:
    done = client("queues", "set", "made", "--create", "--max-concurrency=-5")

    assert done.status == 1
    assert done.error.startswith("gosynq: --max-concurrency (queue.limits.max_concurrency): must be greater than or")


def test_what_can_not_be_cleared_is_told_with_what_can(client: Run) -> None:
    done = client("queues", "set", "made", "--clear", "x")

    assert done.status == 2
    assert done.error.startswith("gosynq: Invalid value for --clear: 'x' is nothing that can be cleared; there are ")


def test_a_queue_is_paused_resumed_drained_purged_and_deleted(client: Run) -> None:
    job_id = enqueued(client, "--queue", "turned", "--delay", "1h")
    assert client("queues", "pause", "turned", "--reason", "no relay").out == "turned is paused\n"
    assert "queue_paused: queue turned is paused: no relay" in client("explain", job_id).out
    assert client("queues", "resume", "turned").out == "turned is active\n"
    assert client("queues", "drain", "turned").out == "turned is draining\n"
    assert client("enqueue", "nobodys", "--queue", "turned").status == 1
    assert client("queues", "delete", "turned").status == 1
    assert client("queues", "purge", "turned", "--yes").out == "1 job deleted\n"
    assert client("queues", "delete", "turned", "--force", "--yes").out == "turned is deleted\n"
    assert client("queues", "get", "turned").error == "gosynq: Queue turned not found.\n"
    assert client("queues", "delete", "turned", "--allow-missing", "--json").documents == [{"queue": "turned"}]


def test_queues_are_listed_with_what_is_in_them(client: Run) -> None:
    client("queues", "set", "counted", "--create", "--max-pending", "5")
    enqueued(client, "--queue", "counted", "--delay", "1h")

    lines = client("queues", "list").out.splitlines()
    row = next(line.split() for line in lines if line.startswith("counted "))

    assert lines[0].split()[:6] == ["QUEUE", "STATE", "READY", "SCHEDULED", "PROCESSING", "FAILED"]
    assert row[:6] == ["counted", "active", "0", "1", "0", "0"]
    assert row[-1] == "max_pending=5"
    assert fields(client("queues", "stats", "counted"))["scheduled"].strip() == "1"
    [totals] = client("queues", "stats", "--json").documents
    assert totals["total_jobs"] >= totals["pending_jobs"] >= 1


def test_the_keys_of_an_enqueue_reach_the_job(client: Run) -> None:
    job_id = enqueued(client, "--queue", "keyed", "--concurrency-key", "c", "--fairness-key", "f", "--delay", "1h")
    ordered = enqueued(client, "--queue", "keyed", "--ordering-key", "o", "--delay", "1h")

    [job] = client("jobs", "get", job_id, "--json").documents

    assert (job["concurrency_key"], job["fairness_key"]) == ("c", "f")
    assert "ordering key     o" in client("jobs", "get", ordered).out


def test_a_debounced_enqueue_changes_the_job_that_waits(client: Run) -> None:
    given = ("--queue", "keyed", "--debounce-key", "d")
    first = enqueued(client, *given, "--delay", "1h")

    done = client(
        *("enqueue", "nobodys", '{"new": 1}', *given, "--debounce-mode", "replace", "--run-at", "2130-01-01T00:00:00Z")
    )

    assert (done.out, done.error) == (f"{first} (was there already)\n", "")
    [job] = client("jobs", "get", first, "--json").documents
    assert (job["payload"], job["run_at"]) == ({"new": 1}, "2130-01-01T00:00:00Z")


def test_debouncing_is_refused_where_it_is_not_clear(client: Run) -> None:
    keyless = client("enqueue", "k", "--debounce-mode", "keep")
    both = client("enqueue", "k", "--debounce-key", "d", "--key", "k")
    assert (keyless.status, keyless.error) == (
        2,
        "gosynq: Invalid value for --debounce-mode: it goes with --debounce-key only\n",
    )
    assert (both.status, both.error) == (2, "gosynq: Invalid value for --debounce-key: it does not go with --key\n")


def test_a_job_is_explained_a_line_for_each_reason(client: Run) -> None:
    job_id = enqueued(client, "--queue", "explained", "--run-at", "2130-01-01T00:00:00Z")

    lines = client("explain", job_id).out.splitlines()
    [explanation] = client("explain", job_id, "--json").documents

    assert lines[0] == f"{job_id} is pending"
    assert "  not_due: it is not due yet (until 2130-01-01 00:00:00.000)" in lines[1:]
    assert explanation["status"] == "pending"
    assert "not_due" in [reason["type"] for reason in explanation["reasons"]]


def test_a_worker_that_is_not_there_can_not_be_drained(client: Run) -> None:
    done = client("workers", "drain", "nobody")

    assert (done.status, done.error) == (
        1,
        "gosynq: Worker nobody not found: no server has heard of it for a minute, or it left.\n",
    )


def test_jobs_are_cancelled_retried_and_deleted_by_a_filter(client: Run) -> None:
    for _ in range(3):
        enqueued(client, "--queue", "many", "--delay", "1h")
    assert client("jobs", "bulk-cancel", "--queue", "many", "--dry-run").out == "3 jobs would be cancelled\n"
    assert client("jobs", "bulk-cancel", "--queue", "many", "--yes", "--limit", "2").out == "3 jobs cancelled\n"
    assert client("jobs", "bulk-retry", "--queue", "many", "--run-at", "2130-01-01T00:00:00Z").out == "3 jobs retried\n"
    assert client("jobs", "bulk-delete", "--queue", "many", "--yes").out == "3 jobs deleted\n"
    assert client("jobs", "list", "--queue", "many", "--json").documents == []


def test_dead_letters_are_listed_redriven_and_purged(client: Run) -> None:
    job_id = client(
        "enqueue", "image_resizing", '{"side": 1}', "--queue", "dead", "--wait", "--timeout", "15s", "--json"
    ).documents[0]["id"]
    [dead] = client("dlq", "list", "--queue", "dead", "--error-type", "Discarded", "--since", "1h", "--json").documents
    assert dead["id"] == job_id

    redriven = client("dlq", "redrive", job_id, "--to", "risen", "--run-at", "2130-01-01T00:00:00Z")

    assert redriven.out == "1 job redriven\n"
    [job] = client("jobs", "get", job_id, "--json").documents
    assert (job["queue"], job["status"], job["attempt"]) == ("risen", "pending", 0)
    assert client("dlq", "purge", "--queue", "dead", "--yes").out == "0 jobs deleted\n"
