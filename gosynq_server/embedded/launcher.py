"""The step before the server, a program of its own: it drops root, ties its life to its parent's, becomes PostgreSQL.

It is run by its path, without the package. subprocess's `user` and `preexec_fn` could do the same, but they need a real
fork, and while RPCs run the handlers that gRPC hangs into one make the child die of SIGSEGV more often than not.
Without them a child is vforked and never meets the handlers.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


def launch_command(command: list[str], *, uid: int, gid: int) -> list[str]:
    """Give the command line that runs a command as a user, to be stopped by SIGINT when our calling thread ends."""
    return [sys.executable, "-I", "-S", str(Path(__file__)), str(os.getpid()), str(uid), str(gid), *command]


def become(command: list[str], *, parent: int, uid: int, gid: int) -> None:
    """Replace this process by the command; return only if the parent is gone."""
    for ignored in _IGNORED_BY_PYTHON:  # an ignored signal stays so over exec
        signal.signal(ignored, signal.SIG_DFL)
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":  # after the change of user, which would clear it
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)
    if os.getppid() != parent:
        return
    try:
        os.execv(command[0], command)  # noqa: S606 - it is our own command line, and no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    parent, uid, gid = (int(number) for number in sys.argv[1:4])
    become(sys.argv[4:], parent=parent, uid=uid, gid=gid)
