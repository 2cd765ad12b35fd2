"""One run of the PostgreSQL server: spawned so that it cannot outlive us, awaited until it serves, stopped in steps."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from gosynq_server.embedded.binaries import Binaries
from gosynq_server.embedded.cluster import Cluster
from gosynq_server.embedded.errors import PostmasterExited
from gosynq_server.embedded.launcher import launch_command

_INTERVAL = 0.02
_WATCH_INTERVAL = 0.1
_FAST_PATIENCE = 30.0
_IMMEDIATE_PATIENCE = 10.0
_STATUS_LINE = 7
_TAIL_BYTES = 1000


class Postmaster:
    """A running server process on a cluster; spawn it with `Postmaster.spawn`."""

    def __init__(self, process: subprocess.Popen[bytes], cluster: Cluster, log_start: int) -> None:
        self._process = process
        self._cluster = cluster
        self._log_start = log_start

    @classmethod
    def spawn(cls, cluster: Cluster, binaries: Binaries, settings: Mapping[str, str]) -> Postmaster:
        """Start the server and return at once.

        On Linux it gets SIGINT when the *thread* that called this ends, so call it from the event loop's own thread.
        """
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        command = [binaries.program("postgres"), "-D", str(cluster.data), *options]
        account = cluster.account
        with _open_private(cluster.log) as log:
            log_start = log.tell()
            process = subprocess.Popen(
                launch_command(command, uid=account.uid, gid=account.gid),
                cwd="/",
                env=account.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for us; we then stop it in our order
            )
        return cls(process, cluster, log_start)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def serving(self) -> None:
        """Wait until it takes connections, however long recovery lasts; raise PostmasterExited if it ends before."""
        while not self._is_ready():
            if self._process.poll() is not None:
                raise PostmasterExited(status=self._process.returncode, log=self._cluster.log, tail=self._log_tail())
            await asyncio.sleep(_INTERVAL)

    async def ended(self, interval: float = _WATCH_INTERVAL) -> int:
        """Wait for its end, looking once per interval (seconds), and return the exit status."""
        while (status := self._process.poll()) is None:  # noqa: ASYNC110 - the loop may not be the one that spawned it
            await asyncio.sleep(interval)
        return status

    async def stop(self) -> None:
        """Stop it: transactions are rolled back and a checkpoint is written, unless that takes too long."""
        for how, patience in ((signal.SIGINT, _FAST_PATIENCE), (signal.SIGQUIT, _IMMEDIATE_PATIENCE)):
            self._process.send_signal(how)
            try:
                async with asyncio.timeout(patience):
                    await self.ended(_INTERVAL)
            except TimeoutError:
                continue
            return
        self._process.kill()
        await self.ended(_INTERVAL)

    def _is_ready(self) -> bool:
        try:
            lines = (self._cluster.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return len(lines) > _STATUS_LINE and lines[0] == str(self.pid) and lines[_STATUS_LINE].strip() == "ready"

    def _log_tail(self) -> str:
        with self._cluster.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode(errors="replace").strip()


def _open_private(log: Path) -> BinaryIO:
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
