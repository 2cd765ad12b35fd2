"""The files that the demonstration works on: this program's own, wherever it is installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("gosynq_client", "gosynq_server")
_SUFFIXES = frozenset({".py", ".sql"})


class NoSampleFile(ValueError):
    """Not one of the demonstration's files."""


@cache
def sample_files() -> tuple[str, ...]:
    """Name the files, relative to where the packages are."""
    found = (path for package in _PACKAGES for path in (_ROOT / package).rglob("*"))
    return tuple(sorted(path.relative_to(_ROOT).as_posix() for path in found if path.suffix in _SUFFIXES))


def read_sample(name: str) -> bytes:
    """Read one of the files. Raises NoSampleFile for any other: who may enqueue may not so read the whole machine."""
    if name not in sample_files():
        raise NoSampleFile(name)
    return (_ROOT / name).read_bytes()
