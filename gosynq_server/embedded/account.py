"""The operating system's account that PostgreSQL runs as: our own, or under root one without power."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.embedded.errors import AccountMissing, AccountNameless
from gosynq_server.embedded.launcher import launch_command

_NAMES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the server's processes and files belong to; `switched` when that is not who we are."""

    name: str
    uid: int
    gid: int
    switched: bool

    def environment(self) -> dict[str, str]:
        """Give our environment without the variables that would lead a PostgreSQL program elsewhere."""
        return {**{name: value for name, value in os.environ.items() if not name.startswith("PG")}, "LC_ALL": "C"}

    def command(self, *command: str) -> list[str]:
        """Give the command line that runs a program as this account."""
        return launch_command(list(command), uid=self.uid, gid=self.gid) if self.switched else list(command)

    def run(self, *command: str) -> str:
        """Run a program as this account and return what it prints; raise OSError or CalledProcessError."""
        return subprocess.run(
            self.command(*command), check=True, capture_output=True, text=True, cwd="/", env=self.environment()
        ).stdout

    def can_enter(self, folder: Path) -> bool:
        """Tell whether the account reaches the inside of a folder."""
        try:
            self.run("/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))
        except subprocess.CalledProcessError:
            return False
        return True

    def require_name(self) -> None:
        """Raise AccountNameless for a bare number, as containers like to run with: initdb would refuse it."""
        try:
            pwd.getpwuid(self.uid)
        except KeyError:
            raise AccountNameless(uid=self.uid) from None

    def give(self, path: Path) -> None:
        """Make the account the owner of a file or folder."""
        if self.switched:
            os.chown(path, self.uid, self.gid)


def choose_account(names: tuple[str, ...] = _NAMES) -> Account:
    """Choose ourselves, or under root the first of `names` that exists; raise AccountMissing without one."""
    if os.geteuid() != 0:
        return Account(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid(), switched=False)
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switched=True)
    raise AccountMissing(names=" nor ".join(names))
