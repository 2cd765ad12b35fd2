"""Wake-ups inside this server: hints that there may be something to do. The truth is always read from a table."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gosynq_server.domain.job import JobId


class WakeupListener(Protocol):
    """Who wants to hear of what happens; each method returns at once."""

    def jobs_ready(self, queue: str) -> None:
        """Tell that jobs of a queue may be ready."""

    def jobs_scheduled(self, queue: str) -> None:
        """Tell that jobs of a queue may have got an earlier start."""

    def jobs_held(self, queue: str) -> None:
        """Tell that jobs of a queue may wait for a place of their key, or that there may be a place."""

    def queue_changed(self, queue: str) -> None:
        """Tell that a queue's settings or its state are others now, or that it is gone."""

    def jobs_started(self) -> None:
        """Tell that jobs have been leased."""

    def jobs_finished(self, jobs: Iterable[JobId]) -> None:
        """Tell that jobs have become terminal."""

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        """Tell that a running job is to be cancelled, or that it is gone and its lease with it."""

    def worker_changed(self, worker_id: str) -> None:
        """Tell that a worker may have another session, or is to drain."""


class Wakeups:
    """Passes each wake-up to every listener of this server."""

    def __init__(self) -> None:
        self._listeners: list[WakeupListener] = []
        self._signals: list[Signal] = []

    def add(self, listener: WakeupListener) -> None:
        """Let a listener hear of everything from now on."""
        self._listeners.append(listener)

    @contextmanager
    def told(self, listener: WakeupListener) -> Iterator[None]:
        """Let a listener hear of everything inside the block."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def signal(self, signal: Signal) -> None:
        """Let a signal be set by every wake-up from now on."""
        self._signals.append(signal)

    def jobs_ready(self, queue: str) -> None:
        """Tell that jobs of a queue may be ready."""
        for listener in self._listeners:
            listener.jobs_ready(queue)
        self._set_signals()

    def jobs_scheduled(self, queue: str) -> None:
        """Tell that jobs of a queue may have got an earlier start."""
        for listener in self._listeners:
            listener.jobs_scheduled(queue)
        self._set_signals()

    def jobs_held(self, queue: str) -> None:
        """Tell that jobs of a queue may wait for a place of their key, or that there may be a place."""
        for listener in self._listeners:
            listener.jobs_held(queue)

    def queue_changed(self, queue: str) -> None:
        """Tell that a queue's settings or its state are others now, or that it is gone."""
        for listener in self._listeners:
            listener.queue_changed(queue)

    def jobs_started(self) -> None:
        """Tell that jobs have been leased."""
        for listener in self._listeners:
            listener.jobs_started()
        self._set_signals()

    def jobs_finished(self, jobs: Iterable[JobId]) -> None:
        """Tell that jobs have become terminal."""
        known = list(jobs)
        for listener in self._listeners:
            listener.jobs_finished(known)
        self._set_signals()

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        """Tell that a running job is to be cancelled, or that it is gone and its lease with it."""
        for listener in self._listeners:
            listener.cancel_requested(job, reason, lease_lost=lease_lost)
        self._set_signals()

    def worker_changed(self, worker_id: str) -> None:
        """Tell that a worker may have another session, or is to drain."""
        for listener in self._listeners:
            listener.worker_changed(worker_id)

    def _set_signals(self) -> None:
        for signal in self._signals:
            signal.set()


class Deaf:
    """A listener to nothing, to be listened with where only some wake-ups matter."""

    def jobs_ready(self, queue: str) -> None:
        """Ignore it."""

    def jobs_scheduled(self, queue: str) -> None:
        """Ignore it."""

    def jobs_held(self, queue: str) -> None:
        """Ignore it."""

    def queue_changed(self, queue: str) -> None:
        """Ignore it."""

    def jobs_started(self) -> None:
        """Ignore it."""

    def jobs_finished(self, jobs: Iterable[JobId]) -> None:
        """Ignore it."""

    def cancel_requested(self, job: JobId, reason: str, *, lease_lost: bool = False) -> None:
        """Ignore it."""

    def worker_changed(self, worker_id: str) -> None:
        """Ignore it."""


class Signal:
    """Wakes the one who waits; a wake-up while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a wake-up, at most so long; say whether there was one."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
