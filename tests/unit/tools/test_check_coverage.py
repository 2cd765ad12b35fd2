"""The coverage gate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from coverage import CoverageData

from tools.check_coverage import COMPLETE

TOOL = Path(__file__).resolve().parents[3] / "tools" / "check_coverage.py"
SOURCE = "first = 1\nsecond = 2\n"
ALL_OF_IT = [(-1, 1), (1, 2), (2, -1)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project with a file for each pattern, and others besides; all of it is covered."""
    names = (*(pattern.replace("*", "_some") for pattern in COMPLETE), *(f"gosynq_server/{n}.py" for n in range(20)))
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE, encoding="utf-8")
    measured(tmp_path, dict.fromkeys(tmp_path.rglob("*.py"), ALL_OF_IT))
    return tmp_path


def measured(project: Path, arcs: dict[Path, list[tuple[int, int]]]) -> None:
    """Write down which steps from line to line were seen."""
    data = CoverageData(basename=str(project / ".coverage"))
    data.erase()
    data.add_arcs({str(path): steps for path, steps in arcs.items()})
    data.write()


def judged(project: Path) -> tuple[int, list[str]]:
    # These tests may be measured themselves, and the variables would lead the tool to that measurement.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, TOOL], check=False, capture_output=True, text=True, cwd=project, env=environment
    )
    return done.returncode, done.stdout.splitlines()


def test_enough_is_let_through(project: Path) -> None:
    assert judged(project) == (0, ["coverage: enough"])


def test_a_line_that_was_not_reached_is_too_much_where_all_is_wanted(project: Path) -> None:
    steps = dict.fromkeys(project.rglob("*.py"), ALL_OF_IT)
    measured(project, steps | {project / "gosynq_client/errors.py": [(-1, 1)]})
    assert judged(project) == (1, ["coverage: 50.00 % of gosynq_client/errors.py is covered, all of it is wanted"])


def test_a_branch_that_was_not_taken_is_too_much_where_all_is_wanted(project: Path) -> None:
    steps = dict.fromkeys(project.rglob("*.py"), ALL_OF_IT)
    errors = project / "gosynq_client/errors.py"
    errors.write_text("if known:\n    first = 1\n", encoding="utf-8")
    measured(project, steps | {errors: ALL_OF_IT})
    assert judged(project) == (1, ["coverage: 75.00 % of gosynq_client/errors.py is covered, all of it is wanted"])


def test_too_little_of_the_whole_is_refused(project: Path) -> None:
    steps = dict.fromkeys(project.rglob("*.py"), ALL_OF_IT)
    measured(project, steps | {project / f"gosynq_server/{n}.py": [(-1, 1)] for n in range(5)})
    assert judged(project) == (1, ["coverage: 90.00 % of the whole is covered, at least 95 % are wanted"])


def test_a_pattern_without_files_does_not_pass_unseen(project: Path) -> None:
    (project / "gosynq_client/errors.py").unlink()
    measured(project, dict.fromkeys(project.rglob("*.py"), ALL_OF_IT))
    assert judged(project) == (1, ["coverage: gosynq_client/errors.py names no file that was measured"])


def test_without_a_measurement_it_says_how_to_make_one(tmp_path: Path) -> None:
    assert judged(tmp_path) == (1, ["coverage: nothing was measured; run make test ARGS=--cov first"])
