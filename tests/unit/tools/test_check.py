"""The runner of all checks."""

from __future__ import annotations

import pytest

from tools import check


@pytest.fixture(autouse=True)
def _small_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = {
        "first": ["python", "-c", "print('a finding'); raise SystemExit(1)"],
        "second": ["python", "-c", "print('nothing')"],
        "third": ["python", "-c", "raise SystemExit('another finding')"],
    }
    monkeypatch.setattr(check, "CHECKS", checks)


def test_every_failure_is_told_and_not_only_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([]) == 1
    output = capsys.readouterr().out
    assert "     a finding\n" in output
    assert "     another finding\n" in output
    assert "nothing" not in output
    assert output.endswith("failed: first, third\n")


def test_a_named_check_runs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["second"]) == 0
    assert capsys.readouterr().out.endswith("all checks passed\n")


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["fourth"]) == 2
    assert "no such check: fourth; there are first, second, third" in capsys.readouterr().err
