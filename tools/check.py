"""Run every check of the project and tell all that failed, not only the first.

Usage: python tools/check.py [NAME...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str]] = {
    "types": ["mypy"],
    "types-tests": ["mypy", "--cache-dir=.mypy_cache/tests", "tests"],
    "format": ["ruff", "format", "--check", "--quiet", "--output-format", "concise"],
    "lint": ["ruff", "check", "--quiet", "--output-format", "concise"],
    "imports": ["lint-imports", "--no-cache"],
    "sizes": ["python", "tools/check_sizes.py"],
    "lock": ["python", "tools/lock.py", "--check"],
    "sql": ["python", "tools/check_sql.py"],
    "migrations": ["python", "tools/check_migrations.py"],
    "proto-lint": ["buf", "lint"],
    "proto-format": ["buf", "format", "--diff", "--exit-code", "--path", "proto/gosynq"],
    "proto-breaking": ["python", "tools/check_contract.py"],
    "generated": ["python", "tools/check_generated.py"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one check said, and how long it took in seconds."""

    name: str
    passed: bool
    output: str
    seconds: float


def run_check(name: str) -> Verdict:
    """Run one check, with the tools installed beside this interpreter first on the path."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    start = time.monotonic()
    process = subprocess.run(
        CHECKS[name],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    return Verdict(name=name, passed=process.returncode == 0, output=process.stdout, seconds=seconds)


def report(verdict: Verdict) -> None:
    """Print one line for a check, and under it what it found."""
    word = "ok  " if verdict.passed else "FAIL"
    print(f"{word} {verdict.name} ({verdict.seconds:.1f} s)", flush=True)
    if not verdict.passed:
        print("".join(f"     {line}\n" for line in verdict.output.splitlines()), flush=True)


def main(names: list[str]) -> int:
    """Run the named checks, or all; return the exit status: 0 passed, 1 failed, 2 unknown name."""
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"no such check: {', '.join(unknown)}; there are {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    failed = []
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as executor:
        for verdict in executor.map(run_check, names or CHECKS):
            report(verdict)
            if not verdict.passed:
                failed.append(verdict.name)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
