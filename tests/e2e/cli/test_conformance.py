"""gosynq conformance, as anyone types it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gosynq_server.conformance import CASES
from tests.e2e.cli.commands import GOSYNQ, environment, gosynq, gosynq_apart

WORKER = (sys.executable, "-m", "gosynq_client.examples.conformance_worker")
ENDS = (sys.executable, "-c", "import sys; sys.exit('no such thing')")

pytestmark = pytest.mark.timeout(60)


def test_a_worker_that_is_right_ends_it_with_zero() -> None:
    done = gosynq_apart("conformance", "--only", "echo", "--only", "snooze", "--json", "--", *WORKER)
    assert (done.status, done.error) == (0, "")
    assert [(told["case"], told["verdict"], told["seen"]) for told in done.documents] == [
        ("echo", "passed", "4 payloads came back"),
        ("snooze", "passed", "snoozed for 7 s"),
    ]


def test_a_worker_that_is_not_is_told_of_with_what_was_expected(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    done = gosynq_apart("conformance", "--only", "echo", "--worker-log", str(log), "--", *ENDS)
    assert done.status == 1
    case, expected = done.out.splitlines()
    assert case.split()[:2] == ["echo", "failed"]
    assert case.endswith("the worker ended with status 1: no such thing")
    assert expected.strip().startswith("expected: echo succeeds with its payload as result")
    assert log.read_text(encoding="utf-8") == "no such thing\n"


def test_the_cases_are_listed_with_what_they_expect() -> None:
    assert gosynq("conformance", "--list", "--json").documents == [
        {"case": case.name, "expected": case.expected} for case in CASES
    ]
    lines = gosynq("conformance", "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["CASE", *(case.name for case in CASES)]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "the command that starts a worker, after --"),
        (("--only", "nothing", "--", "worker"), "'nothing' is not one of hello, unknown"),
        (("--patience", "0", "--", "worker"), "--patience"),
        (("--lease-duration", "soon", "--", "worker"), "'soon' is not a duration"),
    ],
)
def test_a_wrong_call_is_refused(arguments: tuple[str, ...], problem: str) -> None:
    done = gosynq("conformance", *arguments)
    assert done.status == 2
    assert problem in done.error


def test_a_command_that_cannot_be_started_is_told_in_one_line() -> None:
    done = gosynq_apart("conformance", "--", "/no-such-worker")
    assert (done.status, done.out) == (1, "")
    assert done.error == (
        "gosynq: The worker's command /no-such-worker cannot be started (No such file or directory).\n"
    )


def test_told_to_stop_it_takes_the_worker_along(tmp_path: Path) -> None:
    stubborn = "import os, signal; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); signal.pause()"
    script = tmp_path / "stubborn.py"
    script.write_text(stubborn, encoding="utf-8")
    told = tmp_path / "told"
    wrapper = (
        f"import subprocess, sys; subprocess.run([sys.executable, {str(script)!r}], stdout=open({str(told)!r}, 'w'))"
    )
    command = [*GOSYNQ, "conformance", "--", sys.executable, "-c", wrapper]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as kit:
        while not (told.exists() and told.read_text(encoding="utf-8").endswith("\n")):
            assert kit.poll() is None
        kit.send_signal(signal.SIGTERM)
        assert kit.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(OSError, match=r"No such process|No such file"):
        # What is dead and not yet reaped has no memory to show.
        Path(f"/proc/{told.read_text(encoding='utf-8').strip()}/environ").read_bytes()
