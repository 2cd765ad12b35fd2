"""The step before PostgreSQL, run by its path as a program of its own."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gosynq_server.embedded import launcher

# Without the flags of launch_command, so that it can be measured.
LAUNCHER = (sys.executable, launcher.__file__)
STATE = ("/bin/sh", "-c", "grep -E '^(Uid|Gid|Groups|SigIgn):' /proc/self/status")
OURSELVES = (os.geteuid(), os.getegid())
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def launched(*command: str, parent: int | None = None) -> subprocess.CompletedProcess[str]:
    """Have a command launched as ourselves, for this process or for another parent."""
    return run(*LAUNCHER, *map(str, (os.getpid() if parent is None else parent, *OURSELVES)), *command)


def state(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Give what a process that printed STATE was: users, groups and signals that it ignores."""
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return {name: values.split() for name, _, values in lines}


def test_it_becomes_the_command_and_is_the_same_process() -> None:
    command = [*LAUNCHER, str(os.getpid()), *map(str, OURSELVES), "/bin/sh", "-c", "echo $$; exit 7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate()
    assert (process.returncode, out) == (7, f"{process.pid}\n")


def test_no_signal_that_python_ignores_is_ignored_by_the_command() -> None:
    [ignored] = state(launched(*STATE))["SigIgn"]
    assert [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if int(ignored, 16) >> (number - 1) & 1] == []


@as_root
def test_root_becomes_the_account_with_none_of_its_own_groups() -> None:
    nobody = pwd.getpwnam("nobody")
    in_groups = "import os, sys; os.setgroups([0, 4]); os.execv(sys.argv[1], sys.argv[1:])"
    told = map(str, (os.getpid(), nobody.pw_uid, nobody.pw_gid))
    became = state(run(sys.executable, "-c", in_groups, *LAUNCHER, *told, *STATE))
    assert (became["Uid"], became["Gid"], became["Groups"]) == ([str(nobody.pw_uid)] * 4, [str(nobody.pw_gid)] * 4, [])


def test_a_command_whose_parent_is_gone_is_not_begun() -> None:
    done = launched("/bin/echo", "begun", parent=1 if os.getpid() != 1 else 2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_command_that_cannot_be_begun_is_named(tmp_path: Path) -> None:
    done = launched(str(tmp_path / "postgres"), "--version")
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'postgres'}: No such file or directory\n")
