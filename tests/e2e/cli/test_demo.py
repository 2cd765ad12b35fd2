"""The demonstration, as it is started from the command line, and what becomes of its server."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli.commands import FREE_PORTS, GOSYNQ, environment, gosynq

PATIENCE = 30.0

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def going_on(database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a demonstration that has shown its jobs and goes on serving; its ready file is `ready.json`."""
    place = ("--database-url", database_url, "--ready-file", str(tmp_path / "ready.json"))
    command = [*GOSYNQ, "demo", "--jobs", "3", *place, *FREE_PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stdout is not None
        assert any(line == "Ctrl-C stops it.\n" for line in process.stdout), "the demonstration ended"
        yield process
        process.kill()


@pytest.fixture
def server(going_on: subprocess.Popen[str], tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Give the address of the demonstration's server, and a file descriptor that tells of its end."""
    told = json.loads((tmp_path / "ready.json").read_text(encoding="utf-8"))
    descriptor = os.pidfd_open(told["pid"])
    yield told["grpc"], descriptor
    os.close(descriptor)


def ends(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], PATIENCE)[0])


@pytest.mark.timeout(90)
def test_the_demonstration_ends_as_planned() -> None:
    done = gosynq("demo", "--once", "--json", "--jobs", "120", *FREE_PORTS)
    assert done.status == 0, done.error
    [summary] = done.documents
    assert (summary["jobs"], summary["surprises"]) == (120, [])
    assert {counts["kind"] for counts in summary["kinds"]} >= {"email_notification", "cleanup_task", "word_count"}
    assert summary["retries"] > 0
    assert "Every job ended as planned." in done.error


@pytest.mark.timeout(90)
def test_a_demonstration_whose_server_cannot_start_says_why() -> None:
    done = gosynq("demo", "--once", "--database-url", "postgresql://x@127.0.0.1:1/x", "--handlers", "no.such.module")
    assert done.status == 1
    assert done.error.splitlines()[-1].startswith("gosynq: The server ended with status 1: no handlers from")
    assert "Traceback" not in done.error


def test_a_demonstration_names_what_ended_otherwise_and_exits_with_1(database_url: str) -> None:
    done = gosynq("demo", "--once", "--jobs", "14", "--max-retries", "0", "--database-url", database_url, *FREE_PORTS)
    assert done.status == 1
    surprise = next(line for line in done.out.splitlines() if line.startswith("not as planned: "))
    assert surprise.startswith("not as planned: email_notification ")
    assert surprise.endswith("(MailServerDown: the mail server does not answer), not completed after 2")


def test_a_demonstration_on_a_schema_that_is_behind_says_what_to_do(database_url: str) -> None:
    assert gosynq("migrate", "down", "--to", "0", "--database-url", database_url).status == 0
    done = gosynq("demo", "--once", "--database-url", database_url, *FREE_PORTS)
    assert done.status == 1
    assert done.error.startswith("gosynq: The server ended with status 1: The database's schema is at version 0")
    assert "Traceback" not in done.error


def test_after_its_summary_the_demonstration_goes_on_serving(server: tuple[str, int]) -> None:
    target, _ = server
    assert gosynq("health", "--target", target).out == "serving\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_server_ends_with_its_demonstration_however_that_ends(
    going_on: subprocess.Popen[str], server: tuple[str, int], number: signal.Signals, status: int
) -> None:
    _, descriptor = server
    going_on.send_signal(number)
    assert going_on.wait(PATIENCE) == status
    assert ends(descriptor)


def test_a_demonstration_ends_when_its_server_is_gone(going_on: subprocess.Popen[str], server: tuple[str, int]) -> None:
    _, descriptor = server
    signal.pidfd_send_signal(descriptor, signal.SIGTERM)
    assert going_on.wait(PATIENCE) == 0
