"""The Dockerfile and docker-compose.yml, as far as they can be proven without an engine: shape, steps and names.

Not proven here: that the base image and the engine do what their documentation says.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gosynq_server.config.server import Config
from gosynq_server.config.settings import settings_of

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"50051", "8080", "9090", "50052"}
# The part of the Compose Specification that the file may use; anything else is a slip of the pen.
TOP_LEVEL = {"name", "services", "volumes"}
SERVICE = {
    "build",
    "cap_drop",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "read_only",
    "restart",
    "security_opt",
    "shm_size",
    "stop_grace_period",
    "tmpfs",
    "volumes",
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile."""

    word: str
    rest: str


def steps() -> list[Step]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [Step(*line.split(maxsplit=1)) for line in lines if line]


def last(word: str) -> str:
    return [step.rest for step in steps() if step.word == word][-1]


def copied() -> Iterator[str]:
    """Yield what the build takes from the repository."""
    for step in steps():
        if step.word == "COPY" and not step.rest.startswith("--from="):
            yield from step.rest.split()[:-1]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def server_settings() -> set[str]:
    return {setting.variable for setting in settings_of(Config)}


def test_every_instruction_is_one_that_docker_knows() -> None:
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "ENTRYPOINT",
        "CMD",
    }
    assert {step.word for step in steps()} <= known


def test_the_image_takes_only_files_that_exist_and_are_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = {line[1:] for line in ignored if line.startswith("!")}
    taken = set(copied())
    assert "*" in ignored
    assert taken == kept
    assert all((ROOT / name).exists() for name in taken)


def test_the_image_takes_all_that_the_wheel_is_made_of() -> None:
    needed = {"pyproject.toml", "hatch_build.py", "LICENSE", "README.md", "migrations"}
    assert needed | {"gosynq", "gosynq_client", "gosynq_server"} <= set(copied())


def test_nothing_is_installed_that_was_not_fetched_by_hash() -> None:
    installs = [
        step.rest for step in steps() if step.word == "RUN" and re.search(r"pip\d? (install|wheel|download)", step.rest)
    ]
    assert installs
    assert all("--require-hashes" in install or "--no-index" in install for install in installs)


def test_the_server_runs_as_nobody_in_particular() -> None:
    user, group = last("USER").split(":")
    assert int(user) >= 10000
    assert int(group) >= 10000


def test_the_image_tells_the_ports_that_the_server_binds_by_default() -> None:
    config = Config()
    bound = {config.grpc_port, config.http_port, config.metrics_port, config.health_port}
    assert {int(port) for port in last("EXPOSE").split()} == bound


def test_the_image_sets_only_settings_that_there_are() -> None:
    names = {name for name in re.findall(r"(\w+)=", last("ENV")) if name.startswith("GOSYNQ_")}
    assert names
    assert names <= server_settings()


def test_the_programs_are_started_without_a_shell_so_that_signals_reach_them() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["gosynq"]
    assert json.loads(last("CMD")) == ["serve"]
    assert last("STOPSIGNAL") == "SIGTERM"


@pytest.fixture
def health_server() -> Iterator[tuple[health.HealthServicer, int]]:
    """Serve gRPC health checks on a free port."""
    servicer = health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, port
    server.stop(grace=None).wait()


@pytest.mark.parametrize(
    ("status", "exit_status"),
    [(health_pb2.HealthCheckResponse.SERVING, 0), (health_pb2.HealthCheckResponse.NOT_SERVING, 1)],
)
def test_the_image_is_healthy_while_the_server_says_so(
    health_server: tuple[health.HealthServicer, int], status: int, exit_status: int
) -> None:
    servicer, port = health_server
    servicer.set("", status)
    command = json.loads(last("HEALTHCHECK").split("CMD ", maxsplit=1)[1])
    assert command == ["gosynq", "health", "--target", f"127.0.0.1:{Config().health_port}"]
    program: list[str | Path] = [Path(sys.executable).with_name("gosynq"), "health", "--target", f"127.0.0.1:{port}"]
    assert subprocess.run(program, check=False, timeout=15, capture_output=True).returncode == exit_status


def test_the_compose_file_keeps_to_the_specification(compose: dict[str, Any]) -> None:
    own = {key for key in compose if not key.startswith("x-")}
    assert own == TOP_LEVEL
    for name, service in compose["services"].items():
        assert set(service) <= SERVICE, name
        assert service["restart"] in {"no", "always", "on-failure", "unless-stopped"}, name
        assert all(isinstance(value, str) for value in service["environment"].values()), name


def test_a_database_a_one_shot_migration_and_a_server_are_composed(compose: dict[str, Any]) -> None:
    assert list(compose["services"]) == ["postgres", "migrate", "server"]
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert compose["services"]["migrate"]["restart"] == "no"


def test_each_service_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS
            assert how["condition"] != "service_healthy" or "healthcheck" in services[needed]
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["server"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", ["migrate", "server"])
def test_our_containers_can_write_nothing_but_scratch(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_secret_comes_from_the_environment_alone(compose: dict[str, Any]) -> None:
    secret = "${POSTGRES_PASSWORD:?choose a password}"
    services = compose["services"]
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"] == secret
    assert f":{secret}@postgres:5432/" in services["server"]["environment"]["GOSYNQ_DATABASE_URL"]


def test_the_compose_file_sets_only_settings_that_there_are(compose: dict[str, Any]) -> None:
    names = {name for service in ("migrate", "server") for name in compose["services"][service]["environment"]}
    assert names <= server_settings()


def test_the_ports_are_open_to_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = compose["services"]["server"]["ports"]
    assert set(ports) == {f"127.0.0.1:{port}:{port}" for port in PORTS}
    assert not any("ports" in compose["services"][name] for name in ("postgres", "migrate"))


def test_every_volume_that_is_used_is_declared(compose: dict[str, Any]) -> None:
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_the_compose_file_has_more_grace_than_the_server_takes(compose: dict[str, Any]) -> None:
    grace = compose["services"]["server"]["stop_grace_period"]
    config = Config()
    assert int(grace.removesuffix("s")) > (config.grace + config.drain_delay).total_seconds() + 5
