import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gosynq_client import DeadlineExceeded, ErrorDetails, FieldViolation, GosynqError, QueueFull, Unavailable
from gosynq_server.app.listening import AddressTaken
from gosynq_server.cli import run
from gosynq_server.cli.connection import NoAnswer, NoServer, reaching
from gosynq_server.cli.failures import FAILED, MISUSED, failure_of
from gosynq_server.domain.errors import DatabaseUnavailable
from gosynq_server.embedded.errors import BinariesMissing

Told: TypeAlias = Callable[..., tuple[int, str]]

# A port that nothing listens on and nobody can be given: connecting to it is refused at once.
NOBODY = "127.0.0.1:1"
JOB = "01a20c58-d2a9-733c-9dca-2d89d7b323a2"
OF_A_CLIENT = (
    ["jobs", "list"],
    ["jobs", "get", JOB],
    ["jobs", "attempts", JOB],
    ["jobs", "wait", JOB],
    ["jobs", "cancel", JOB, JOB],
    ["jobs", "retry", JOB],
    ["jobs", "delete", JOB],
    ["enqueue", "kind"],
    ["enqueue", "kind", "--wait"],
    ["health"],
)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """Give a function that runs a command line and returns its status and what it said on standard error."""
    for name in [name for name in os.environ if name.startswith("GOSYNQ_")]:
        monkeypatch.delenv(name)

    def run_it(*arguments: str) -> tuple[int, str]:
        status = run(arguments)
        return status, capsys.readouterr().err

    return run_it


def error_in(said: str) -> Any:
    """Read the one object that a program is told."""
    [line] = said.splitlines()
    return json.loads(line)["error"]


@pytest.mark.parametrize("arguments", OF_A_CLIENT, ids=" ".join)
def test_every_command_says_the_same_of_a_server_that_is_not_there(told: Told, arguments: list[str]) -> None:
    status, said = told(*arguments, "--target", NOBODY)
    assert status == FAILED
    assert said == (
        f"gosynq: No server answers at {NOBODY} (nothing listens there); "
        "start one with gosynq up, or name another with --target.\n"
    )


@pytest.mark.parametrize("arguments", OF_A_CLIENT, ids=" ".join)
def test_a_program_is_told_of_it_in_one_object(told: Told, arguments: list[str]) -> None:
    status, said = told(*arguments, "--json", "--target", NOBODY)
    error = error_in(said)
    assert (status, error["code"], error["reason"]) == (FAILED, "UNAVAILABLE", "NO_SERVER")
    assert (error["details"]["target"], error["details"]["cause"]) == (NOBODY, "nothing listens there")
    assert "refused" in error["details"]["problem"]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect: Connection refused (111)", "nothing listens there"),
        ("(Trying to connect an http1.x server (HTTP status 404))", "what listens there speaks no gRPC"),
        ("Tls handshake failed: WRONG_VERSION_NUMBER: Invalid certificate verification context", "TLS failed: see"),
        ("Tls handshake failed: CERTIFICATE_VERIFY_FAILED: self signed certificate", "its certificate is none that"),
        ("Failed to create security handshaker.", "TLS failed: see --tls, --tls-ca"),
        ("DNS resolution failed for nosuch:1", "its name is not known"),
        ("errors resolving x: [field:hostname lookup error:address lookup failed", "its name is not known"),
        ("connection attempt timed out before receiving SETTINGS frame", "it does not answer"),
        ("Socket closed", "Socket closed"),
    ],
)
def test_what_grpc_says_is_put_into_words(said: str, cause: str) -> None:
    with pytest.raises(NoServer) as refused, reaching("h:1"):
        raise ExceptionGroup("tasks", [Unavailable(said), Unavailable(said)])
    assert refused.value.metadata["cause"].startswith(cause)


def test_a_call_that_is_not_answered_in_time_names_the_server_and_the_flag() -> None:
    with pytest.raises(NoAnswer) as late, reaching("h:1"):
        raise DeadlineExceeded("Deadline Exceeded")
    failure = failure_of(late.value)
    assert failure is not None
    assert (failure.status, failure.code, failure.reason) == (FAILED, "DEADLINE_EXCEEDED", "NO_ANSWER")
    assert failure.message.startswith("The server at h:1 did not answer in time; ")
    assert "--call-timeout" in failure.message


def test_what_a_server_refuses_it_says_itself() -> None:
    refusal = Unavailable("The server is stopping.", ErrorDetails(code="UNAVAILABLE", reason="SERVER_DRAINING"))
    with pytest.raises(Unavailable) as refused, reaching("h:1"):
        raise refusal
    assert refused.value is refusal


@pytest.mark.parametrize(
    ("arguments", "reason", "details"),
    [
        (["nosuch"], "USAGE", {}),
        (["enqueue", "k", "{}", "--delay", "5"], "USAGE", {}),
        (
            ["up", "--handlers", "no.such"],
            "HANDLERS_NOT_LOADED",
            {"handlers": "no.such"},
        ),
        (
            ["up", "--grpc-port", "x", "--prefetch", "0"],
            "SETTING_INVALID",
            {
                "problems": [
                    {
                        "name": "grpc_port",
                        "source": "--grpc-port",
                        "description": "'x' is not a whole number from 0 to 65535",
                    },
                    {
                        "name": "prefetch",
                        "source": "--prefetch",
                        "description": "'0' is not a whole number from 1 to 10000",
                    },
                ]
            },
        ),
        (
            ["migrate", "status", "--database-url", "postgresql://u:secret@127.0.0.1:1/d?sslmode=nope"],
            "DATABASE_URL_UNUSABLE",
            None,
        ),
    ],
)
def test_a_program_that_calls_wrongly_is_told_so_with_status_2(
    told: Told, arguments: list[str], reason: str, details: dict[str, Any] | None
) -> None:
    status, said = told(*arguments, "--json")
    error = error_in(said)
    assert (status, error["code"], error["reason"]) == (MISUSED, "INVALID_ARGUMENT", reason)
    assert details is None or error["details"] == details
    assert "secret" not in said


def test_a_word_behind_the_options_is_no_wish_for_json(told: Told) -> None:
    status, said = told("jobs", "get", "--target", NOBODY, "--", "--json")
    assert (status, said.startswith("gosynq: ")) == (FAILED, True)


@pytest.mark.parametrize(
    ("error", "code", "reason", "details"),
    [
        (DatabaseUnavailable(), "UNAVAILABLE", "DATABASE_UNAVAILABLE", {}),
        (BinariesMissing(major=18), "FAILED_PRECONDITION", "EMBEDDED_UNAVAILABLE", {"major": "18"}),
        (
            AddressTaken(address="h:1", problem="taken", flag="--x"),
            "FAILED_PRECONDITION",
            "ADDRESS_TAKEN",
            {"address": "h:1", "problem": "taken", "flag": "--x"},
        ),
        (FileNotFoundError(2, "No such file"), "UNKNOWN", "OS_ERROR", {}),
        (GosynqError("too large", ErrorDetails(code="RESOURCE_EXHAUSTED")), "RESOURCE_EXHAUSTED", "", {}),
        (
            QueueFull(
                "full",
                ErrorDetails(
                    code="RESOURCE_EXHAUSTED",
                    metadata={"queue": "q"},
                    violations=(FieldViolation(field="f", description="d", reason="r"),),
                ),
            ),
            "RESOURCE_EXHAUSTED",
            "QUEUE_FULL",
            {"queue": "q", "violations": (FieldViolation(field="f", description="d", reason="r"),)},
        ),
    ],
)
def test_an_expected_error_has_a_code_a_reason_and_its_facts(
    error: Exception, code: str, reason: str, details: dict[str, Any]
) -> None:
    failure = failure_of(ExceptionGroup("tasks", [error]))
    assert failure is not None
    assert (failure.status, failure.code, failure.reason, failure.details) == (FAILED, code, reason, details)


def test_a_bug_is_no_expected_error() -> None:
    assert failure_of(ZeroDivisionError()) is None
    assert failure_of(ExceptionGroup("tasks", [OSError(), OSError()])) is None


def test_a_package_that_is_missing_is_told_to_a_program_too() -> None:
    script = "import sys; sys.modules['typer'] = None; sys.argv[1:] = ['jobs', '--json']; "
    script += "from gosynq_server.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    error = error_in(done.stderr)
    assert (done.returncode, error["reason"], error["details"]) == (1, "PACKAGE_MISSING", {"package": "typer"})


def test_a_module_that_exits_at_its_import_is_named(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert told("up", "--handlers", "leaving") == (
        MISUSED,
        "gosynq: no handlers from 'leaving': its import ended in sys.exit(0)\n",
    )
