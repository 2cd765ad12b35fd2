"""Schedules over a real server, as anyone types it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.cli.commands import Done

Run = Callable[..., Done]


def test_a_schedule_is_made_changed_in_part_triggered_and_deleted(client: Run) -> None:
    made = client(
        *("schedules", "create", "nightly", "nobodys", '{"days": 30}', "--cron", "0 3 * * *"),
        *("--time-zone", "Europe/Berlin", "--overlap-policy", "skip", "--jitter", "5s"),
        *("--queue", "low", "--label", "a=b", "--json"),
    )
    changed = client("schedules", "update", "nightly", "--priority", "high", "--interval", "1h", "--clear", "jitter")
    [schedule] = client("schedules", "get", "nightly", "--json").documents
    triggered = client("schedules", "trigger", "nightly", "--json")

    assert (made.status, changed.status, triggered.status) == (0, 0, 0), (made.error, changed.error, triggered.error)
    assert (made.documents[0]["cron"], made.documents[0]["jitter"]) == ("0 3 * * *", 5)
    assert (schedule["cron"], schedule["interval"], schedule["jitter"]) == ("", 3600, None)
    assert (schedule["overlap_policy"], schedule["catch_up_policy"]) == ("skip", "one")
    job = schedule["job"]
    assert (job["queue"], job["priority"], job["labels"], job["payload"]) == ("low", "high", {"a": "b"}, {"days": 30})
    assert client("jobs", "get", triggered.documents[0]["job_id"]).status == 0
    assert client("schedules", "pause", "nightly").out == "nightly is paused\n"
    row = next(line.split() for line in client("schedules", "list").out.splitlines() if line.startswith("nightly"))
    assert row[1:4] == ["every", "1h", "Europe/Berlin"]
    assert client("schedules", "resume", "nightly").out == "nightly is active\n"
    assert client("schedules", "delete", "nightly").out == "nightly is deleted\n"
    assert client("schedules", "get", "nightly").error == "gosynq: Schedule nightly not found.\n"


def test_firings_are_told_in_utc_and_by_the_clock_of_their_zone(client: Run) -> None:
    done = client(
        *("schedules", "preview", "--cron", "0 12 1 7 *", "--time-zone", "Europe/Berlin"),
        *("--start-at", "2130-01-01T00:00:00Z", "--count", "1"),
    )

    assert done.out == "2130-07-01 10:00:00.000  Sat 2130-07-01 12:00:00 CEST\n"


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["--cron", "61 * * * *"], 1, "gosynq: --cron (schedule.cron): does not parse"),
        (["--cron", "@daily", "--time-zone", "No/Where"], 1, "gosynq: --time-zone (schedule.time_zone): must be the"),
        (
            ["--cron", "@daily", "--interval", "1h"],
            2,
            "gosynq: Invalid value: --cron and --interval exclude each other",
        ),
        ([], 2, "gosynq: Invalid value: one of --cron, --interval and --once is needed"),
        (["--once", "tomorrow"], 2, "gosynq: Invalid value for --once: 'tomorrow' is not a moment such as"),
        (
            ["--interval", "1h", "--overlap-policy", "x"],
            2,
            "gosynq: Invalid value for --overlap-policy: 'x' is not one",
        ),
        (["--interval", "1h", "--priority", "x"], 2, "gosynq: Invalid value for --priority: 'x' is not one of low,"),
    ],
)
def test_what_can_not_be_is_refused_by_the_option_that_says_it(
    client: Run, arguments: list[str], status: int, problem: str
) -> None:
    done = client("schedules", "create", "bad", "nobodys", *arguments)

    assert (done.status, done.error[: len(problem)]) == (status, problem)


def test_what_of_a_schedule_can_not_be_cleared_is_told(client: Run) -> None:
    done = client("schedules", "update", "nightly", "--clear", "cron")

    assert done.status == 2
    assert done.error.startswith("gosynq: Invalid value for --clear: 'cron' is nothing that can be cleared; there are")
