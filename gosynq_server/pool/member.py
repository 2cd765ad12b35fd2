"""The pool as one of the workers that a server has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from gosynq_server.store.workers import Presence

if TYPE_CHECKING:
    from gosynq_client.worker.runtime import WorkerRuntime
    from gosynq_server.domain.worker import WorkerProfile
    from gosynq_server.service.registrar import Registrar


class Pool:
    """A runtime in this server that others see and can drain; then it is over until the server restarts."""

    def __init__(self, runtime: WorkerRuntime, profile: WorkerProfile, *, concurrency: int) -> None:
        self._runtime = runtime
        self._profile = profile
        self._concurrency = concurrency

    async def run(self, registrar: Registrar) -> None:
        """Work until stopped or drained; once only."""
        async with registrar.kept(self):
            await self._runtime.run()

    def stop(self) -> None:
        """Ask `run` to come to its end; may be called early, and twice."""
        self._runtime.stop()

    def presence(self) -> Presence:
        """Say how it is. Its id is the server's, so that it has one session only."""
        return Presence(
            profile=self._profile,
            session_id=self._profile.worker_id,
            max_in_flight=self._concurrency,
            silence=timedelta(),
        )

    def replace(self) -> None:
        """Go on: there is no other worker of this id."""

    def drain(self, reason: str) -> None:  # noqa: ARG002 - the list has it
        """Take no more jobs, finish and end."""
        self.stop()
