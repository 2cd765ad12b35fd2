"""A worker of its own: the runtime, its leases over the Work stream, and their common end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gosynq.v1.worker_service_pb2_grpc import WorkerServiceStub
from gosynq_client.channel import open_channel
from gosynq_client.errors import GosynqError
from gosynq_client.remote.source import StreamLeaseSource
from gosynq_client.remote.subscriptions import Profile, RemoteOptions, new_worker_id
from gosynq_client.worker.runtime import WorkerRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gosynq_client.remote.subscriptions import QueueSubscription
    from gosynq_client.worker.handlers import Handlers
    from gosynq_client.worker.observing import AttemptEnded


class RemoteWorker:
    """Runs handlers on jobs of a server's queues.

        worker = RemoteWorker("localhost:50051", handlers, [QueueSubscription(queue="default")])
        await worker.run()

    It stays through restarts of servers: what runs goes on, and what it came to is told when there is one again, if its
    lease still holds then.
    """

    def __init__(
        self,
        target: str,
        handlers: Handlers,
        queues: Sequence[QueueSubscription],
        options: RemoteOptions | None = None,
        *,
        observe: Callable[[AttemptEnded], None] | None = None,
        on_connection: Callable[[], None] = lambda: None,
    ) -> None:
        """Work for target, in gRPC's name syntax.

        observe is told as by a WorkerRuntime; on_connection is called whenever is_connected may be another.
        """
        options = options or RemoteOptions()
        self.worker_id = options.worker_id or new_worker_id()
        self._target = target
        self._handlers = handlers
        self._queues = queues
        self._options = options
        self._observe = observe
        self._on_connection = on_connection
        self._stopping = asyncio.Event()
        self._runtime: WorkerRuntime | None = None
        self._source: StreamLeaseSource | None = None

    @property
    def active(self) -> int:
        """Handlers at work."""
        return 0 if self._runtime is None else self._runtime.active

    @property
    def is_connected(self) -> bool:
        """Whether there is a server that answers."""
        return self._source is not None and self._source.is_connected

    async def run(self) -> None:
        """Work until stopped, or until a server says so; once only.

        Raises GosynqError in a group where a server refuses this worker, SessionReplaced where another process came
        with its id: what ran is cancelled then, and the jobs given back, uncounted; but those of plain functions,
        which cannot be cancelled, come back when their leases run out. Raises TokenInTheOpen for a token that anyone on
        the way could read.
        """
        async with open_channel(self._target, self._options.client, retries=False) as channel:
            source = self._source = StreamLeaseSource(
                WorkerServiceStub(channel),
                self._profile(),
                on_cancel=lambda job, reason: runtime.cancel(job, reason),  # noqa: PLW0108 - runtime is bound below
                on_lost=lambda job, token: runtime.lose(job, token),  # noqa: PLW0108 - as above
                on_stop=self.stop,
                on_connection=self._on_connection,
            )
            runtime = self._runtime = WorkerRuntime(source, self._handlers, self._options.runtime, self._observe)
            if self._stopping.is_set():
                runtime.stop()
            try:
                await self._work(runtime, source)
            except* GosynqError:
                await source.give_back(kept=runtime.in_threads())
                raise

    async def _work(self, runtime: WorkerRuntime, source: StreamLeaseSource) -> None:
        async with asyncio.TaskGroup() as tasks:
            connecting = tasks.create_task(source.run())
            refusing = tasks.create_task(self._refuse_at_the_end(source))
            await runtime.run()
            refusing.cancel()
            await source.leave()
            connecting.cancel()

    async def _refuse_at_the_end(self, source: StreamLeaseSource) -> None:
        await self._stopping.wait()
        await source.take_no_more()

    def _profile(self) -> Profile:
        return Profile(
            worker_id=self.worker_id,
            queues=self._queues,
            kinds=sorted(self._handlers.kinds),
            build=self._options.build,
        )

    def stop(self) -> None:
        """Ask `run` to come to its end: what runs has its grace, everything is settled. Early or twice is harmless."""
        self._stopping.set()
        if self._runtime is not None:
            self._runtime.stop()
