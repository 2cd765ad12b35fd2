"""The data directory: judged before it is touched, owned by one process, made whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.embedded.account import Account
from gosynq_server.embedded.binaries import Binaries
from gosynq_server.embedded.errors import (
    DataDirectoryTaken,
    DataDirectoryUnreachable,
    DataDirectoryUnusable,
    DataVersionMismatch,
    InitializationFailed,
)
from gosynq_server.embedded.settings import initialization_options

_LOCK = "owner.lock"
_UNFINISHED = "data.new-"
_BIG_LOG = 16 * 1024 * 1024


def default_data_dir() -> Path:
    """Give the folder used when none is chosen: the system's state folder under root, else the user's (XDG)."""
    if os.geteuid() == 0:
        return Path("/var/lib/gosynq/embedded")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "gosynq" / "embedded"


def release(lock: int) -> None:
    """Let go of a data directory."""
    # Closing alone leaves it locked by any child that is just between its fork and its exec.
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A folder of ours: the lock, the log, copies of the programs, and PostgreSQL's own data below it."""

    base: Path
    account: Account

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.base / "postgres.log"

    @property
    def copies(self) -> Path:
        """Where programs are copied that the account could not reach."""
        return self.base / "bin"

    def acquire(self) -> int:
        """Make the folder if need be and lock it for this process; return the lock, for `release`.

        Raises DataDirectoryUnusable, DataDirectoryTaken or DataDirectoryUnreachable.
        """
        try:
            _make_folders(self.base, mode=0o755 if self.account.switched else 0o700)
            _refuse_foreign(self.base)
            lock = os.open(self.base / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(path=self.base, problem=_describe(error)) from error
        try:
            _lock_or_refuse(lock, self.base)
            self._require_reach()
        except BaseException:
            release(lock)
            raise
        return lock

    def initialize(self, binaries: Binaries, *, durable: bool) -> None:
        """Make the cluster where there is none, in a side folder first, so that half a cluster is never taken for one.

        The lock must be held. Raises DataVersionMismatch, DataDirectoryUnusable, AccountNameless or
        InitializationFailed.
        """
        for unfinished in self.base.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(unfinished)
        if self.data.exists():
            self._judge(binaries)
            return
        self.account.require_name()
        try:
            side = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.base))
            self.account.give(side)
            options = initialization_options(major=binaries.major, durable=durable)
            self.account.run(binaries.program("initdb"), f"--pgdata={side}", *options)
            side.rename(self.data)
        except OSError as error:
            raise InitializationFailed(path=self.base, output=error) from error
        except subprocess.CalledProcessError as error:
            raise InitializationFailed(path=self.base, output=error.stderr.strip()) from error

    def rotate_log(self) -> None:
        """Put a log that has grown big aside, over the one put aside before."""
        if self.log.exists() and self.log.stat().st_size > _BIG_LOG:
            self.log.rename(self.log.with_suffix(".log.old"))

    def _require_reach(self) -> None:
        if not self.account.can_enter(self.base):
            raise DataDirectoryUnreachable(path=self.base, user=self.account.name)

    def _judge(self, binaries: Binaries) -> None:
        try:
            found = (self.data / "PG_VERSION").read_text().strip()
            owner = self.data.stat().st_uid
        except OSError as error:
            raise DataDirectoryUnusable(path=self.data, problem=_describe(error)) from error
        if found != str(binaries.major):
            raise DataVersionMismatch(path=self.data, found=found, expected=binaries.major)
        if owner != self.account.uid:
            problem = f"it belongs to user id {owner} and PostgreSQL runs as {self.account.uid} (chown helps)"
            raise DataDirectoryUnusable(path=self.data, problem=problem)


def _make_folders(folder: Path, *, mode: int) -> None:
    if folder.exists():
        return
    _make_folders(folder.parent, mode=mode)
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)  # whatever the umask says, or the server's account might not get through


def _refuse_foreign(base: Path) -> None:
    names = {path.name for path in base.iterdir()}
    if "PG_VERSION" in names:
        raise DataDirectoryUnusable(path=base, problem="it is the data of a PostgreSQL that is not ours")
    if _LOCK not in names and names - {"lost+found"}:
        raise DataDirectoryUnusable(path=base, problem="it is not empty and not ours")


def _lock_or_refuse(lock: int, base: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode().strip() or "unknown"
        raise DataDirectoryTaken(path=base, owner=owner) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _describe(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"
