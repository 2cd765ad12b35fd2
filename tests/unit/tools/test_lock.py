"""The check of the lock."""

from __future__ import annotations

from typing import Any

import pytest

from tools.lock import findings

PROJECT: dict[str, Any] = {
    "build-system": {"requires": ["builder>=1"]},
    "project": {"dependencies": ["Some_Thing[fast]>=1,<2"], "optional-dependencies": {"all": ["gosynq[server]"]}},
    "dependency-groups": {"dev": ["tool ; sys_platform != 'win32'"]},
}
LOCK = """builder==1.0 \\
    --hash=sha256:00
some-thing==1.0 ; python_full_version < '3.13' \\
    --hash=sha256:00
tool==1.0 \\
    --hash=sha256:00
"""


def test_a_lock_with_a_hash_for_all_that_is_asked_for_is_fit() -> None:
    assert list(findings(LOCK, PROJECT)) == []


@pytest.mark.parametrize("line", ["--index-url somewhere", "--find-links somewhere", "extra @ https://somewhere"])
def test_an_address_is_refused(line: str) -> None:
    assert list(findings(f"{LOCK}{line}\n", PROJECT)) == ["the lock names an address"]


def test_a_pin_without_hash_is_refused() -> None:
    assert list(findings(LOCK + "loose==1.0\n", PROJECT)) == ["loose has no hash"]


def test_a_dependency_that_is_not_locked_is_named() -> None:
    without = LOCK.replace("tool==1.0 \\\n    --hash=sha256:00\n", "")
    assert list(findings(without, PROJECT)) == [
        "tool is asked for in pyproject.toml and not in the lock; run make lock"
    ]
