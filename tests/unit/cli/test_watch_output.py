from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gosynq_client import SnapshotBegun, SnapshotComplete, Unavailable, WatchItem
from gosynq_server.cli.watch_output import Notices, tell_document, tell_line
from tests.unit.cli.watched import CREATED, FAILED, JOB, PROGRESS, Here


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (CREATED, "2030-01-31 12:00:00.123  created           job-1  mail  send_email  pending"),
        (
            FAILED,
            (
                "2030-01-31 12:00:00.123  failed            job-1  mail  send_email  pending  "
                "attempt 2, LookupError: no\\nsuch address, next at 2030-01-31 12:01:00.123"
            ),
        ),
        (
            PROGRESS,
            "2030-01-31 12:00:00.123  progress          job-1  mail  send_email  processing  attempt 1, 3/10 half-way",
        ),
        (
            replace(CREATED, payload={"to": "a"}),
            '2030-01-31 12:00:00.123  created           job-1  mail  send_email  pending  {"to": "a"}',
        ),
        (JOB, "1970-01-01 00:00:00.000  snapshot          job-2  mail  send_email  pending"),
        (SnapshotBegun(), "the jobs as they are, less those that are over:"),
        (SnapshotComplete(), "that was all; what happens to them from here on:"),
    ],
    ids=["created", "failed", "progress", "payload", "job", "begun", "complete"],
)
def test_a_person_is_told_a_line(item: WatchItem, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    tell_line(item, Here())

    assert capsys.readouterr().out == f"{line}\n"


def test_a_program_is_told_each_item_under_what_it_is_and_the_cursor_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for item in (SnapshotBegun(), JOB, SnapshotComplete(), FAILED):
        tell_document(item, Here())

    begun, job, complete, event = map(json.loads, capsys.readouterr().out.splitlines())
    assert begun == {"snapshot": "begun", "cursor": "c1"}
    assert (job["job"]["id"], job["cursor"]) == ("job-2", "c1")
    assert complete == {"snapshot": "complete", "cursor": "c1"}
    assert event == {
        "event": {
            "event_id": "event-1",
            "type": "failed",
            "job_id": "job-1",
            "queue": "mail",
            "kind": "send_email",
            "status": "pending",
            "priority": "high",
            "attempt": 2,
            "timestamp": "2030-01-31T12:00:00.123000Z",
            "worker_id": "",
            "error": "no\nsuch address",
            "error_type": "LookupError",
            "will_retry": True,
            "next_run_at": "2030-01-31T12:01:00.123000Z",
            "progress": None,
            "payload": None,
            "labels": {"tenant": "acme"},
            "revision": 1,
        },
        "cursor": "c1",
    }


def test_an_interruption_is_told_once_and_so_is_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(json=False)
    for error in (None, Unavailable("gone\n"), Unavailable("gone\n"), Unavailable("refused"), None, None):
        notices.heard(error)

    assert capsys.readouterr().err.splitlines() == [
        "gosynq: interrupted: gone\\n",
        "gosynq: interrupted: refused",
        "gosynq: resumed: a server answers again, and the watch goes on where it was",
    ]


def test_a_program_is_told_of_an_interruption_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(json=True)
    notices.heard(None)
    notices.heard(Unavailable("gone"))

    assert json.loads(capsys.readouterr().err) == {"watch": "interrupted", "message": "gone"}


def test_a_server_that_never_answered_is_no_interruption() -> None:
    with pytest.raises(Unavailable):
        Notices(json=False).heard(Unavailable("refused"))


def test_who_leaves_is_told_where_it_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    notices = Notices(json=False)
    notices.left(None)
    notices.left("c1")

    assert capsys.readouterr().err == "gosynq: ended: --cursor c1 goes on from here\n"
