"""Finding handlers in a module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gosynq_client.worker import DuplicateKind, HandlersNotLoaded, load_handlers

ONE = """
from gosynq_client.worker import Handlers
handlers = Handlers()
same = handlers
number = 7
@handlers.register("send")
async def send(job): ...
"""
TWO = (
    ONE
    + """
more = Handlers()
@more.register("receive")
async def receive(job): ...
"""
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """Write the source that a test is parametrized with to a module, and name it."""
    name = f"jobs_{tmp_path.name}"
    package = tmp_path / name
    package.mkdir()
    (package / "jobs.py").write_text(request.param, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield f"{name}.jobs"
    for known in [known for known in sys.modules if known.startswith(name)]:
        del sys.modules[known]


@pytest.mark.parametrize("module", [ONE], indirect=True)
def test_a_module_gives_its_handlers(module: str) -> None:
    assert load_handlers(module).kinds == {"send"}


@pytest.mark.parametrize("module", [TWO], indirect=True)
def test_several_handlers_in_a_module_are_merged(module: str) -> None:
    assert load_handlers(module).kinds == {"send", "receive"}


@pytest.mark.parametrize("module", [TWO], indirect=True)
def test_a_name_picks_one_of_several(module: str) -> None:
    assert load_handlers(f"{module}:more").kinds == {"receive"}


@pytest.mark.parametrize("module", [TWO.replace("receive", "send")], indirect=True)
def test_two_handlers_for_a_kind_in_a_module_are_refused(module: str) -> None:
    with pytest.raises(DuplicateKind):
        load_handlers(module)


@pytest.mark.parametrize(
    ("module", "suffix", "message"),
    [
        (ONE, "_gone", "there is no module"),
        (ONE, ":gone", "the module has no 'gone'"),
        (ONE, ":number", "'number' is no Handlers object but int"),
        (ONE, ":", "it reads MODULE or MODULE:NAME"),
        ("", "", "holds no Handlers object"),
        ("from gosynq_client.worker import Handlers\nhandlers = Handlers()", "", "nothing is registered"),
        ("import no_such_library", "", "its import failed: No module named 'no_such_library'"),
        ("1 / 0", "", "its import failed: ZeroDivisionError"),
        ("def :", "", "its import failed: SyntaxError"),
        ("import sys; sys.exit()", "", r"its import ended in sys.exit\(None\)"),
        ("raise SystemExit('no')", "", r"its import ended in sys.exit\('no'\)"),
    ],
    indirect=["module"],
)
def test_what_does_not_lead_to_handlers_is_told(module: str, suffix: str, message: str) -> None:
    with pytest.raises(HandlersNotLoaded, match=message):
        load_handlers(module + suffix)


@pytest.mark.parametrize("name", ["", ":handlers", "../jobs", "jobs/one.py", "a b", ".jobs", "no_such_package.jobs"])
def test_a_name_without_a_module_is_told(name: str) -> None:
    with pytest.raises(HandlersNotLoaded, match=r"it reads|there is no module 'no_such_package'"):
        load_handlers(name)
