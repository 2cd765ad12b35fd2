"""The comparison of the generated code with its sources."""

from __future__ import annotations

from tools.check_generated import differences


def test_files_that_are_stale_missing_or_left_over_are_named() -> None:
    committed = {"same.py": b"1", "stale.py": b"1", "left_over.py": b"1"}
    fresh = {"same.py": b"1", "stale.py": b"2", "missing.py": b"1"}
    assert differences(committed, fresh) == ["left_over.py", "missing.py", "stale.py"]
