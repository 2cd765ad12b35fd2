"""What an earlier run left behind: an orphaned server is stopped, a stale pid file removed, a stranger left alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from gosynq_server.embedded.errors import LeftoverServerStuck

_PATIENCE = 30.0
_INTERVAL = 0.02
_PROCESSES = Path("/proc")


async def clear_leftover(data: Path, sockets: Path) -> None:
    """Stop what still runs on a data directory and remove its lock files; raise LeftoverServerStuck if it stays.

    Only the owner of the directory may call this: holding our lock, any server found here is an orphan, and any lock
    file of another process is stale. PostgreSQL itself would take a reused process id, or a zombie, for a live owner.
    """
    postmaster = read_postmaster_pid(data)
    if postmaster is not None and postmaster in _running_on(data, postmaster):
        await _stop(data, postmaster, signal.SIGINT)
    # Backends whose postmaster was killed end at their next wait; one in a long computation keeps the shared memory.
    for backend in _running_on(data, None):
        await _stop(data, backend, signal.SIGQUIT)
    _remove_lock_files(data, sockets)


def read_postmaster_pid(data: Path) -> int | None:
    """Read the process id in a data directory's pid file, None where it is missing, half written or nonsense."""
    try:
        return int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _remove_lock_files(data: Path, sockets: Path) -> None:
    for stale in (data / "postmaster.pid", *data.glob(".s.PGSQL.*"), *sockets.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)


async def _stop(data: Path, pid: int, how: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)
    try:
        async with asyncio.timeout(_PATIENCE):
            while pid in _running_on(data, pid):  # noqa: ASYNC110 - the end of another's child is no event to us
                await asyncio.sleep(_INTERVAL)
    except TimeoutError:
        raise LeftoverServerStuck(pid=pid, path=data) from None


def _running_on(data: Path, pid: int | None) -> set[int]:
    """Find the PostgreSQL processes that work in a data directory: among all, or whether one given process is such."""
    if not (_PROCESSES / "self").exists():
        return {pid} if pid is not None and _commanded_to(data, pid) else set()
    candidates = [pid] if pid is not None else [int(path.name) for path in _PROCESSES.iterdir() if path.name.isdigit()]
    return {candidate for candidate in candidates if _works_in(data, candidate)}


def _works_in(data: Path, pid: int) -> bool:
    try:
        process = _PROCESSES / str(pid)
        return (process / "cwd").readlink() == data.resolve() and (process / "comm").read_text().strip() == "postgres"
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return False  # gone, a zombie, or another user's


def _commanded_to(data: Path, pid: int) -> bool:
    listing = subprocess.run(
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], check=False, capture_output=True, text=True
    )
    return "postgres" in listing.stdout and f"-D {data}" in listing.stdout
