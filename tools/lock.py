"""Write requirements.lock: every dependency of every extra and group, pinned by version and hash, without an address.

Usage: python tools/lock.py [--check]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
EXPORT = "export --quiet --format requirements-txt --no-emit-project --no-header --all-extras --all-groups"


def write() -> None:
    """Resolve anew with uv: each dependency takes the newest version that pyproject.toml allows."""
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("uv writes the lock and is not here: pip install uv")
    subprocess.run([uv, *EXPORT.split(), "--upgrade", "--output-file", str(LOCK)], cwd=ROOT, check=True)


def asked(project: dict[str, Any]) -> set[str]:
    """Name every distribution that pyproject.toml asks for, normalised; the project itself is none of them."""
    groups = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    names = {normalised(re.split(r"[\s\[<>=!~;]", wish, maxsplit=1)[0]) for group in groups for wish in group}
    return names - {"gosynq"}


def normalised(name: str) -> str:
    """Spell a distribution's name as the lock does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def findings(lock: str, project: dict[str, Any]) -> Iterator[str]:
    """Tell what makes a lock unfit: an address, a dependency without hash, one that is asked for and missing."""
    if "://" in lock or "--index-url" in lock or "--find-links" in lock:
        yield "the lock names an address"
    pins = re.findall(r"^([A-Za-z0-9._-]+)==[^\n]*\n(    --hash)?", lock, flags=re.MULTILINE)
    yield from (f"{name} has no hash" for name, has_hash in pins if not has_hash)
    missing = asked(project) - {normalised(name) for name, _ in pins}
    yield from (f"{name} is asked for in pyproject.toml and not in the lock; run make lock" for name in sorted(missing))


def main(arguments: list[str]) -> int:
    """Write the lock unless only asked to check it; return the exit status."""
    if "--check" not in arguments:
        write()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = list(findings(LOCK.read_text(encoding="utf-8"), project))
    print("\n".join(f"requirements.lock: {text}" for text in found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
