import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import TypeAlias

import pytest

from gosynq_server.cli import run
from gosynq_server.cli.application import app
from gosynq_server.cli.failures import FAILED, MISUSED
from gosynq_server.domain.errors import DatabaseUnavailable

Told: TypeAlias = Callable[..., tuple[int, str]]

# A port that nothing listens on and nobody can be given: connecting to it is refused at once.
NOBODY = "127.0.0.1:1"
A_WORKER = ("worker", "--handlers", "gosynq_server.demo.handlers", "--queue", "a")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Told:
    """Give a function that runs a command line and returns its status and what it said on standard error."""
    for name in [name for name in os.environ if name.startswith("GOSYNQ_")]:
        monkeypatch.delenv(name)

    def run_it(*arguments: str) -> tuple[int, str]:
        status = run(arguments)
        return status, capsys.readouterr().err

    return run_it


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nosuch"], "No such command 'nosuch'."),
        (["serve", "--nosuch"], "No such option: --nosuch"),
        (["enqueue"], "Missing argument "),
        (["enqueue", "k", "{}", "--delay", "5"], "Invalid value for --delay: '5' is not a duration such as 30s, 5m"),
        (["enqueue", "k", '{"a": 1, "a": 1}'], "Invalid value: the payload is not clear: the key 'a' is given twice"),
        (["enqueue", "k", r'{"a": "\ud800"}'], "Invalid value: the payload has half of a surrogate pair"),
        (["jobs", "wait", "x", "--timeout", "5"], "Invalid value for --timeout: '5' is not a duration such as 30s, 5m"),
        (["jobs", "retry", "x", "--run-at", "5"], "Invalid value for --run-at: '5' is not a moment such as 2030-01-31"),
        (["enqueue", "k", "{}", "--priority", "x"], "Invalid value for --priority: 'x' is not one of low, normal,"),
        (
            ["enqueue", "k", "{}", "--delay", "1s", "--run-at", "2030-01-01T00:00:00Z"],
            "Invalid value: run_at and delay",
        ),
        (["enqueue", "k", "{}", "--max-retries", "99999999999"], "Invalid value for '--max-retries'"),
        (["health", "--token", "a b"], "token (from --token): the value is not a token of printable ASCII without"),
        (["health", "--token", "a", "--target", "192.0.2.1:1"], "token: it would travel unencrypted to 192.0.2.1:1;"),
        (["jobs", "list", "--limit", "0"], "Invalid value for '--limit'"),
        (["jobs", "list", "--tls-cert", __file__], "tls_cert and tls_key: they go together; give both or neither"),
        (["jobs", "list", "--tls-key", __file__], "tls_cert and tls_key: they go together; give both or neither"),
        (["jobs", "list", "--tls-ca", "/no/ca.pem"], "tls_ca (from --tls-ca): '/no/ca.pem' is not the path of a file"),
        (["health", "--target", "localhost"], "target (from --target): 'localhost' is not HOST:PORT, its port from 1"),
        (
            ["worker", "--handlers", "a"],
            "queues: a worker needs at least one, by --queue NAME[:WEIGHT] or GOSYNQ_QUEUES",
        ),
        (["worker", "--queue", "a"], "handlers: a worker needs some, by --handlers or GOSYNQ_HANDLERS"),
        (
            ["worker", "--queue", "a:x"],
            "queues (from --queue): ['a:x'] is not a list, each item being NAME or NAME:WEI",
        ),
        ([*A_WORKER, "--token", "a", "--target", "192.0.2.1:1"], "token: it would travel unencrypted to 192.0.2.1:1;"),
        (["up", "--ready-file", "/no/x"], "ready_file (from --ready-file): '/no/x' is not the path of a file in a "),
        (["serve", "--database-url", "postgresql://u:secret@h:x/d"], "database_url (from --database-url): the value "),
        (["up", "--grpc-port", "x"], "grpc_port (from --grpc-port): 'x' is not a whole number from 0 to 65535"),
        (["up", "--handlers", "no.such"], "no handlers from 'no.such': there is no module 'no' on the import path"),
        (
            ["up", "--handlers", "gosynq_server.demo.handlers", "--handlers", "gosynq_server.demo.handlers:handlers"],
            "no handlers from 'gosynq_server.demo.handlers:handlers': there is a handler for 'api_sync' already",
        ),
        (["serve"], "database_url: serve needs one"),
        (["watch", "--type", "x"], "Invalid value for --type: 'x' is not one of created, started, succeeded, failed,"),
        (["watch", "--since", "10"], "Invalid value for --since: '10' is neither a duration such as 10m nor a moment"),
        (["watch", "--stop-when-terminal"], "Invalid value for --stop-when-terminal: it needs a --job"),
        (["watch", "--cursor", "c", "--snapshot"], "Invalid value: --cursor and --snapshot exclude each other"),
        (["watch", "--from-oldest", "--since", "1h"], "Invalid value: --from-oldest and --since exclude each other"),
    ],
)
def test_a_wrong_call_is_one_clear_line_and_status_2(told: Told, arguments: list[str], line: str) -> None:
    status, said = told(*arguments)
    assert status == MISUSED
    assert said.startswith(f"gosynq: {line}")
    assert said.count("\n") == 1


def test_every_wrong_setting_has_its_own_line(told: Told) -> None:
    status, said = told("up", "--grpc-port", "x", "--prefetch", "0")
    assert (status, len(said.splitlines())) == (MISUSED, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs", "get", "01a20c58-d2a9-733c-9dca-2d89d7b323a2"],
        ["jobs", "list"],
        ["enqueue", "kind"],
        ["health"],
        ["watch"],
    ],
)
def test_a_server_that_is_not_there_is_named_with_status_1(told: Told, arguments: list[str]) -> None:
    status, said = told(*arguments, "--target", NOBODY)
    assert status == FAILED
    assert said.startswith(f"gosynq: No server answers at {NOBODY} (")
    assert said.count("\n") == 1


def test_a_database_that_is_not_there_is_told_with_status_1(told: Told) -> None:
    status, said = told("migrate", "status", "--database-url", f"postgresql://u:secret@{NOBODY}/d")
    assert status == FAILED
    assert said.startswith("gosynq: The database can't be reached: ")
    assert "secret" not in said


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Have the next `gosynq --version` raise an error."""

    def broken(_package: str) -> None:
        raise error

    monkeypatch.setattr("gosynq_server.cli.application.version", broken)


def test_an_expected_error_is_found_in_the_groups_that_it_came_through(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, ExceptionGroup("tasks", [ExceptionGroup("more", [DatabaseUnavailable()])]))
    status, said = told("--version")
    assert (status, said.startswith("gosynq: The database can't be reached")) == (FAILED, True)


def test_ctrl_c_is_the_usual_status(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, KeyboardInterrupt())
    assert told("--version") == (130, "")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run(["--version"])


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    shown = capsys.readouterr().out
    for command in ("up", "serve", "migrate", "enqueue", "jobs", "watch", "demo", "doctor", "health", "conformance"):
        assert f" {command} " in shown


def test_every_command_can_print_json() -> None:
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    for command in [command for group in groups if group for command in group.registered_commands]:
        assert command.callback is not None
        assert "json" in inspect.signature(command.callback).parameters, command.callback.__name__


def test_help_does_not_wait_for_the_server() -> None:
    script = "import sys; from gosynq_server.cli import run; run(['up', '--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert modules.isdisjoint({"grpc", "asyncpg", "gosynq_client", "gosynq_server.app", "uvicorn", "starlette"})


def test_without_its_packages_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; from gosynq_server.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "gosynq: typer is not installed; pip install 'gosynq[all]'\n")


def test_a_module_of_our_own_that_is_missing_is_a_bug_and_keeps_its_traceback() -> None:
    script = "import sys; sys.modules['gosynq_server.cli'] = None; from gosynq_server.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"gosynq {version('gosynq')}\n"


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "gosynq_server", "--version"]
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(command, check=False, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "")
