"""The wheel: what is in it, and what it is like to have it installed alone or whole."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gosynq", "gosynq_client", "gosynq_server")

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the locked builder."""
    folder = tmp_path_factory.mktemp("dist")
    build: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = folder.glob("gosynq-*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Give the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def install(environment: Path, wish: str) -> Path:
    """Install into a new virtual environment, in the locked versions; return the folder of its programs."""
    constraints = environment.with_suffix(".constraints")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    constraints.write_text("\n".join(re.findall(r"^[\w.-]+==[^\s\\]+", lock, flags=re.MULTILINE)), encoding="utf-8")
    wanted = ["install", "--quiet", "--constraint", str(constraints), wish]
    programs = environment / "bin"
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        subprocess.run([uv, "pip", *wanted, "--python", programs / "python"], check=True)
    elif importlib.util.find_spec("ensurepip"):
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([programs / "python", "-m", "pip", "--disable-pip-version-check", *wanted], check=True)
    else:
        pytest.fail("neither uv nor the venv module is here to install the wheel with")
    return programs


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel with every extra."""
    return install(tmp_path_factory.mktemp("whole") / "venv", f"{wheel}[all]")


@pytest.fixture(scope="module")
def client_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel without extras."""
    return install(tmp_path_factory.mktemp("client_only") / "venv", str(wheel))


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program away from the repository, so that nothing is imported from there."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_the_wheel_holds_every_migration(names: set[str]) -> None:
    expected = {f"gosynq_server/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    assert expected
    assert {name for name in names if name.startswith("gosynq_server/migrations/")} == expected


def test_the_wheel_holds_every_statement(names: set[str]) -> None:
    folder = ROOT / "gosynq_server/store/sql"
    expected = {f"gosynq_server/store/sql/{path.name}" for path in folder.glob("*.sql")}
    assert expected
    assert {name for name in names if name.endswith(".sql") and "/store/" in name} == expected


def test_the_wheel_holds_the_contract_with_its_comments(names: set[str]) -> None:
    assert "gosynq/v1/contract.binpb" in names


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(names: set[str], package: str) -> None:
    assert f"{package}/py.typed" in names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)


def test_the_whole_wheel_gives_a_working_command(whole: Path, tmp_path: Path) -> None:
    version = run(whole / "gosynq", "--version", folder=tmp_path)
    assert version.returncode == 0, version.stderr
    assert re.search(r"\b\d+\.\d+\.\d+", version.stdout)


def test_the_whole_wheel_knows_how_to_migrate(whole: Path, tmp_path: Path) -> None:
    usage = run(whole / "gosynq", "migrate", "--help", folder=tmp_path)
    assert usage.returncode == 0, usage.stderr
    assert "migrate" in usage.stdout


def test_the_client_works_alone(client_only: Path, tmp_path: Path) -> None:
    attempt = run(client_only / "python", "-W", "error", "-c", "from gosynq_client import Client", folder=tmp_path)
    assert attempt.returncode == 0, attempt.stderr


def test_the_command_names_the_extra_that_it_lacks(client_only: Path, tmp_path: Path) -> None:
    attempt = run(client_only / "gosynq", "--version", folder=tmp_path)
    assert attempt.returncode != 0
    assert re.search(r"pip install .gosynq\[(server|all)\]", attempt.stderr)
    assert "Traceback" not in attempt.stderr
