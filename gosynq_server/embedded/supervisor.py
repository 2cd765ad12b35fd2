"""The embedded database as one part of the server: started, watched, restarted when it dies, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gosynq_server.embedded.account import choose_account
from gosynq_server.embedded.binaries import Binaries, find_binaries
from gosynq_server.embedded.cluster import Cluster, release
from gosynq_server.embedded.errors import EmbeddedError, PostmasterExited, StoppedWhileStarting
from gosynq_server.embedded.leftover import clear_leftover
from gosynq_server.embedded.postmaster import Postmaster
from gosynq_server.embedded.settings import server_settings
from gosynq_server.embedded.sockets import SocketFolder

_logger = logging.getLogger(__name__)

_BACK_OFF = 0.1
_LONGEST_BACK_OFF = 10.0
_SOUND_RUN = 30.0
_SHARED_MEMORY_HELD = "pre-existing shared memory block"
_SHARED_MEMORY_RETRIES = 50
_SHARED_MEMORY_PAUSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What every launch of the server needs; it stays the same over restarts, and so does the address."""

    cluster: Cluster
    binaries: Binaries
    sockets: SocketFolder


class EmbeddedPostgres:
    """A PostgreSQL of our own, for trying, tests and single machines: `start` it, keep `run` running, `stop` it.

    `data_dir` is made if missing and belongs to this process alone while it runs. `durable=False` gives up surviving a
    crash of the machine for speed. `settings` are added to the server's. `bin_dir` names another PostgreSQL's programs.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
    ) -> None:
        self._data_dir = data_dir.expanduser().absolute()
        self._durable = durable
        self._settings = dict(settings or {})
        self._bin_dir = bin_dir
        self._stopping = asyncio.Event()
        self._changing = asyncio.Lock()
        self._lock: int | None = None
        self._prepared: _Prepared | None = None
        self._postmaster: Postmaster | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the server last launched, None before the start and after the stop."""
        return self._postmaster.pid if self._postmaster is not None else None

    async def start(self) -> str:
        """Start the server and return its address (a URL for asyncpg and libpq) once it takes connections.

        To be awaited in a thread that lives as long as the server shall. Raises an EmbeddedError that says what to do.
        """
        self._stopping.clear()
        async with self._changing:
            cluster = Cluster(base=self._data_dir, account=choose_account())
            self._lock = cluster.acquire()
            try:
                self._prepared = await _in_thread(lambda: self._prepare(cluster))
                await self._launch(self._prepared)
            except BaseException:
                await self._let_go()
                raise
            _logger.info(
                "embedded PostgreSQL serves; it is meant for trying, tests and single machines",
                extra={"data_dir": str(self._data_dir), "pid": self.pid},
            )
            return self._prepared.sockets.url

    async def run(self) -> None:
        """Watch the server and launch it again whenever it dies, with growing pauses, until `stop` is called."""
        back_off = _BACK_OFF
        while not self._stopping.is_set() and self._postmaster is not None and self._prepared is not None:
            began = time.monotonic()
            status = await self._postmaster.ended()
            if self._stopping.is_set():
                return
            back_off = _BACK_OFF if time.monotonic() - began > _SOUND_RUN else back_off
            _logger.error("embedded PostgreSQL died", extra={"status": status, "back_off_seconds": back_off})
            await self._pause(back_off)
            back_off = min(back_off * 2, _LONGEST_BACK_OFF)
            await self._relaunch(self._prepared)

    async def stop(self) -> None:
        """Stop the server and let go of the data directory; harmless when repeated, early, or while it starts."""
        self._stopping.set()
        if self._postmaster is not None:
            await self._postmaster.stop()
        async with self._changing:  # a launch under way has been told by now, and lets go first
            await self._let_go()

    async def _let_go(self) -> None:
        if self._postmaster is not None:
            await self._postmaster.stop()
            self._postmaster = None
        if self._prepared is not None:
            self._prepared.sockets.remove()
            self._prepared = None
        if self._lock is not None:
            release(self._lock)
            self._lock = None

    def _prepare(self, cluster: Cluster) -> _Prepared:
        binaries = find_binaries(cluster.account, copies=cluster.copies, chosen=self._bin_dir)
        cluster.initialize(binaries, durable=self._durable)
        cluster.rotate_log()
        return _Prepared(cluster=cluster, binaries=binaries, sockets=SocketFolder.choose(cluster))

    async def _relaunch(self, prepared: _Prepared) -> None:
        try:
            async with self._changing:
                await self._launch(prepared)
        except (EmbeddedError, OSError) as error:
            if not self._stopping.is_set():
                _logger.exception("embedded PostgreSQL could not be launched", extra={"error": str(error)})
        else:
            _logger.warning("embedded PostgreSQL serves again", extra={"pid": self.pid})

    async def _launch(self, prepared: _Prepared) -> None:
        for _ in range(_SHARED_MEMORY_RETRIES):
            try:
                return await self._launch_once(prepared)
            except PostmasterExited as error:
                if _SHARED_MEMORY_HELD not in str(error):
                    raise
            _logger.warning("embedded PostgreSQL waits for the memory that the one before it left in use")
            await self._pause(_SHARED_MEMORY_PAUSE)
        return await self._launch_once(prepared)

    async def _launch_once(self, prepared: _Prepared) -> None:
        await clear_leftover(prepared.cluster.data, prepared.sockets.path)
        # No await stands between this look and the spawn, so a stop either is seen here or finds the process to stop.
        if self._stopping.is_set():
            raise StoppedWhileStarting
        settings = server_settings(sockets=prepared.sockets.path, durable=self._durable, extra=self._settings)
        self._postmaster = Postmaster.spawn(prepared.cluster, prepared.binaries, settings)
        await self._postmaster.serving()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


async def _in_thread(prepare: Callable[[], _Prepared]) -> _Prepared:
    """Wait for the thread's end even when cancelled: it goes on, and so must the lock on the directory."""
    future = asyncio.get_running_loop().run_in_executor(None, prepare)
    try:
        await asyncio.wait([future])
    finally:
        await asyncio.wait([future])
    return future.result()
