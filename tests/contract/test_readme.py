"""What the pages for people say is held against the program."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory

from gosynq.v1 import admin_service_pb2, event_service_pb2, job_service_pb2
from gosynq_server.cli.application import app
from gosynq_server.config.client import ClientConfig
from gosynq_server.config.server import Config
from gosynq_server.config.settings import settings_of
from gosynq_server.embedded.cluster import default_data_dir
from tools.document_settings import DOCUMENT, document, shown

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVICES = (
    *job_service_pb2.DESCRIPTOR.services_by_name.values(),
    *event_service_pb2.DESCRIPTOR.services_by_name.values(),
    *admin_service_pb2.DESCRIPTOR.services_by_name.values(),
)
COMMAND = re.compile(r"^\| `gosynq (\w+) ?([a-z\\|-]+)?[ A-Z_\[\]]*` \|", flags=re.MULTILINE)
METHODS = {f"{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods}


def routes() -> set[tuple[str, str]]:
    """Give (verb, path) of every HTTP rule, a variable of the path written as one word."""
    found = set()
    for method in METHODS.values():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        for each in (rule, *rule.additional_bindings):
            if verb := each.WhichOneof("pattern"):
                found.add((verb, re.sub(r"\{\w+\}", "JOB_ID", getattr(each, verb))))
    return found


def rows(page: str) -> list[list[str]]:
    """Give the cells of every table row of a page."""
    return [re.split(r" *\| *", line)[1:-1] for line in page.splitlines() if line.startswith("| ")]


def test_the_page_of_settings_is_what_the_program_reads() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run make docs"


def test_the_settings_in_the_readme_have_their_true_defaults() -> None:
    defaults = {each.variable: shown(each.default) for kind in (Config, ClientConfig) for each in settings_of(kind)}
    told: dict[str, str] = {}
    for cells in rows(README):
        names = re.findall(r"`(GOSYNQ_\w+)`", cells[0])
        told |= zip(names, (cells[1].split(", ") if names else []), strict=True)
    assert len(told) > 10
    assert told == {name: defaults[name] for name in told}


@pytest.mark.parametrize("user", [0, 1000])
def test_the_pages_say_where_the_embedded_database_is_kept(user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    folder = str(default_data_dir()).replace(str(Path.home()), "~")
    assert f"`{folder}`" in README
    assert folder in DOCUMENT.read_text(encoding="utf-8")


def test_the_readme_says_first_where_the_commands_of_a_clone_are() -> None:
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL) if "gosynq up" in block]
    assert re.match(r'export PATH="\S+/\.venv/bin:\$PATH"\n', block)


def test_the_readme_names_every_command_and_no_other() -> None:
    told = {(name, *names.split("\\|")) if names else (name,) for name, names in re.findall(COMMAND, README)}
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, as there are commands
    assert told == {(name, *getattr(command, "commands", ())) for name, command in commands.items()}


@pytest.mark.parametrize(("body", "method"), re.findall(r"-d '(.*)' \\\n\s+\S+ (gosynq\.\S+)", README))
def test_a_request_for_grpcurl_is_one_that_the_contract_knows(body: str, method: str) -> None:
    request = message_factory.GetMessageClass(METHODS[method].input_type)()
    parsed: dict[str, Any] = json.loads(body)
    json_format.ParseDict(parsed, request)
    assert request.ByteSize() > 0


def test_every_rest_example_is_a_route_of_the_contract() -> None:
    examples = re.findall(r"curl (--json '.*' )?'?localhost:8080([^\s?']*)", README)
    assert len(examples) > 3
    known = routes() | {("get", "/api/v1/health")}
    assert {("post" if body else "get", path) for body, path in examples} <= known


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_a_program_in_the_readme_compiles(program: str) -> None:
    compile(program, "README.md", "exec")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/operations.md", "docs/sql.md"])
def test_every_link_inside_the_project_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []
