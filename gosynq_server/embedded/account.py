"""The operating system's account that PostgreSQL runs as: our own, or under root one without power."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from gosynq_server.embedded.errors import AccountMissing, AccountNameless

_NAMES = ("postgres", "nobody")


class ProcessOptions(TypedDict, total=False):
    """The keyword arguments of subprocess by which a child gets its account, environment and folder."""

    cwd: str
    env: dict[str, str]
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the server's processes and files belong to; `switched` when that is not who we are."""

    name: str
    uid: int
    gid: int
    switched: bool

    def process_options(self) -> ProcessOptions:
        """Say how to start a child as this account, in an environment that names no other PostgreSQL."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        options = ProcessOptions(cwd="/", env={**environment, "LC_ALL": "C"})
        if self.switched:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return options

    def can_run(self, *command: str) -> bool:
        """Tell whether a command succeeds as this account."""
        try:
            subprocess.run(command, check=True, capture_output=True, **self.process_options())
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def can_enter(self, folder: Path) -> bool:
        """Tell whether the account reaches the inside of a folder."""
        return not self.switched or self.can_run("/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))

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
