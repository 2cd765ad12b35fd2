"""Refuse too little coverage of lines and branches, as `make test ARGS=--cov` measured it last.

Usage: python tools/check_coverage.py
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

from coverage import Coverage
from coverage.exceptions import NoDataError

LEAST_OF_ALL = 95
COMPLETE = (
    "gosynq_server/domain/*.py",
    "gosynq_server/rpc/convert*.py",
    "gosynq_server/rpc/errors.py",
    "gosynq_server/rest/json_*.py",
    "gosynq_client/errors.py",
)


def covered(measured: Coverage, files: str | None = None) -> float:
    """Give the percentage of all that was measured, or of the files of one pattern; raise NoDataError for none."""
    return measured.report(include=files, file=io.StringIO())


def findings(measured: Coverage) -> Iterator[str]:
    """Tell what is covered too little; a pattern that no file answers to is told as well."""
    whole = covered(measured)
    if whole < LEAST_OF_ALL:
        yield f"{whole:.2f} % of the whole is covered, at least {LEAST_OF_ALL} % are wanted"
    for files in COMPLETE:
        try:
            part = covered(measured, files)
        except NoDataError:
            yield f"{files} names no file that was measured"
            continue
        if part < 100:  # noqa: PLR2004 - all of it
            yield f"{part:.2f} % of {files} is covered, all of it is wanted"


def main() -> int:
    """Judge what was measured; return the exit status."""
    measured = Coverage()
    measured.load()
    try:
        found = list(findings(measured))
    except NoDataError:
        found = ["nothing was measured; run make test ARGS=--cov first"]
    print("\n".join(f"coverage: {text}" for text in found) or "coverage: enough")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
