import json
import socket
from pathlib import Path

import pytest

from tests.e2e.cli.commands import FREE_PORTS, end, gosynq, gosynq_apart, start

HANDLERS = ("--handlers", "gosynq_server.demo.handlers")


@pytest.mark.timeout(90)
def test_up_brings_its_own_database_and_keeps_what_is_in_it(data_dir: Path, tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    served = start("up", "--data-dir", str(data_dir), "--ready-file", str(ready_file), *HANDLERS)
    try:
        assert json.loads(ready_file.read_text(encoding="utf-8"))["grpc"] == served.addresses["grpc"]
        [job] = gosynq("enqueue", "cleanup_task", "--wait", "--json", GOSYNQ_TARGET=served.addresses["grpc"]).documents
        assert served.stop() == 0
        assert not ready_file.exists()
    finally:
        end(served)
    again = start("up", "--data-dir", str(data_dir))
    try:
        [found] = gosynq("jobs", "get", job["id"], "--json", GOSYNQ_TARGET=again.addresses["grpc"]).documents
        assert (found["id"], found["status"]) == (job["id"], "completed")
    finally:
        end(again)


def test_serve_refuses_a_schema_that_is_behind(database_url: str) -> None:
    assert gosynq("migrate", "down", "--to", "0", "--database-url", database_url).status == 0
    done = gosynq_apart("serve", "--database-url", database_url, *FREE_PORTS)
    assert done.status == 1
    assert "gosynq migrate up" in done.error.splitlines()[0]


def test_serve_migrates_where_it_is_told_to(database_url: str) -> None:
    assert gosynq("migrate", "down", "--to", "0", "--database-url", database_url).status == 0
    served = start("serve", "--database-url", database_url, "--auto-migrate")
    end(served)
    assert gosynq("migrate", "status", "--database-url", database_url).status == 0


def test_a_port_that_is_taken_is_told_in_one_line(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = gosynq_apart("serve", "--database-url", database_url, *FREE_PORTS, "--grpc-port", port)
    assert done.status == 1
    assert done.error.startswith(f"gosynq: Can't listen on 127.0.0.1:{port}")
    assert "Traceback" not in done.error


def test_migrate_goes_down_and_up_and_says_where_it_stands(database_url: str) -> None:
    def migrate(*arguments: str) -> tuple[int, list[str]]:
        done = gosynq("migrate", *arguments, "--json", "--database-url", database_url)
        return done.status, [document.get("done") or document["state"] for document in done.documents]

    status, states = migrate("status")
    assert (status, set(states)) == (0, {"applied"})
    assert migrate("down", "--to", "0") == (0, ["taken back"] * len(states))
    assert migrate("status") == (1, ["pending"] * len(states))
    assert migrate("up") == (0, ["applied"] * len(states))
    assert migrate("up") == (0, [])


def test_migrating_twice_says_that_there_is_nothing_to_do(database_url: str) -> None:
    assert gosynq("migrate", "up", "--database-url", database_url).out == "nothing to do\n"
    assert "applied" in gosynq("migrate", "status", "--database-url", database_url).out


@pytest.mark.timeout(60)
def test_without_a_url_the_embedded_database_is_migrated_and_examined(data_dir: Path) -> None:
    assert gosynq("migrate", "up", "--data-dir", str(data_dir)).out.startswith("0001 stages applied\n")
    done = gosynq("doctor", "--data-dir", str(data_dir), "--handlers", "gosynq_server.demo.handlers", *FREE_PORTS)
    assert (done.status, done.error) == (0, "")
    assert {line.split()[0] for line in done.out.splitlines()} == {"fine"}


def test_a_doctor_without_a_database_says_what_to_do() -> None:
    done = gosynq("doctor", "--database-url", "postgresql://x@127.0.0.1:1/x", *FREE_PORTS)
    assert done.status == 1
    assert done.out.splitlines()[-1].strip() == ("-> see that it runs and that host, port, user and password are right")


def test_a_schema_version_that_is_not_there_is_refused(database_url: str) -> None:
    done = gosynq("migrate", "up", "--to", "999", "--database-url", database_url)
    assert done.status == 1
    assert done.error.startswith("gosynq: There is no schema version 999 to go to")


def test_the_address_may_come_from_the_environment(database_url: str) -> None:
    assert gosynq("migrate", "status", GOSYNQ_DATABASE_URL=database_url).status == 0


@pytest.mark.timeout(60)
def test_a_thread_that_never_ends_does_not_keep_a_stopped_server(database_url: str) -> None:
    handlers = ("--handlers", "tests.e2e.cli.handlers")
    served = start("serve", "--database-url", database_url, "--grace", "0s", *handlers)
    try:
        job_id = gosynq("enqueue", "endless", GOSYNQ_TARGET=served.addresses["grpc"]).out.strip()
        until_it_runs(job_id, target=served.addresses["grpc"])
        assert served.stop() == 0
        assert served.process.stderr is not None
        assert "handlers were still running in threads and were cut off" in served.process.stderr.read()
    finally:
        end(served)


def until_it_runs(job_id: str, *, target: str) -> None:
    """Return once a job is being worked on; the test's time limit is the patience."""
    while gosynq("jobs", "get", job_id, "--json", GOSYNQ_TARGET=target).documents[0]["status"] != "processing":
        pass


@pytest.mark.timeout(60)
def test_a_doctor_leaves_the_database_of_a_running_server_alone(data_dir: Path) -> None:
    served = start("up", "--data-dir", str(data_dir))
    try:
        ports = [f"--{name}-port={address.rpartition(':')[2]}" for name, address in served.addresses.items()]
        done = gosynq("doctor", "--data-dir", str(data_dir), "--json", *ports)
    finally:
        end(served)
    [told] = [finding for finding in done.documents if finding["check"] == "database"]
    assert (done.status, told["verdict"]) == (0, "warning")
    assert told["advice"] == "a server runs on it: stop that to have its database examined"
